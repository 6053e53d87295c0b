"""Runs that were started with older code go on with this one: their histories still replay."""

from __future__ import annotations

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from paid.temporal import CONVERTER
from paid.workflows.agent_execution import AgentExecutionWorkflow

pytestmark = pytest.mark.anyio

HISTORIES = {
    path.stem: path.read_text()
    for path in sorted((Path(__file__).parent / "histories").glob("run-*.json"))
}


def test_there_is_a_history_of_every_way_that_a_run_goes() -> None:
    assert len(HISTORIES) >= 6


@pytest.mark.parametrize("name", list(HISTORIES))
async def test_a_recorded_run_replays(name: str) -> None:
    replayer = Replayer(workflows=[AgentExecutionWorkflow], data_converter=CONVERTER)
    await replayer.replay_workflow(WorkflowHistory.from_json(name, HISTORIES[name]))
