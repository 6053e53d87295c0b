"""Polls that were started with older code go on with this one: their histories still replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from paid.temporal import CONVERTER
from paid.workflows.github_poll import GitHubPollWorkflow

pytestmark = pytest.mark.anyio

HISTORIES = {
    path.stem: path.read_text()
    for path in sorted((Path(__file__).parent / "histories").glob("poll-*.json"))
}


def test_there_are_histories() -> None:
    assert len(HISTORIES) >= 2


@pytest.mark.parametrize("name", list(HISTORIES))
async def test_a_recorded_poll_replays(name: str) -> None:
    replayer = Replayer(workflows=[GitHubPollWorkflow], data_converter=CONVERTER)
    await replayer.replay_workflow(WorkflowHistory.from_json(name, HISTORIES[name]))
