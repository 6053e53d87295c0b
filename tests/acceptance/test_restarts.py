"""Each part of Paid, and each of its servers, ends in the middle of a run (faults 1, 2, 6, 8, 22).

The agent runs on in its container meanwhile: it is started once, and nothing that it says is lost.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg
import pytest

from paid.embedded.process import read_pid
from paid.errors import DatabaseError
from paid.models import Run
from paid.store.database import libpq_url
from tests.acceptance.stage import OWNER, Stage, Watched
from tests.acceptance.test_scenarios import SLOWLY


def _pid_of(stage: Stage, part: str) -> int:
    data = stage.settings.data_dir
    if part == "postgres":
        with psycopg.connect(libpq_url(stage.database.url)) as connection:
            (folder,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        return int((Path(folder) / "postmaster.pid").read_text().split()[0])
    place = data / "temporal" if part == "temporal" else data / "logs"
    pid = read_pid(place / f"{part}.pid")
    assert pid is not None
    return pid


def _ended(stage: Stage, watched: Watched) -> Run:
    """As `stage.ended`, with a database that may be away for a moment."""

    def look() -> Run | bool | None:
        try:
            run = stage.run_of(watched)
        except DatabaseError:
            return None
        return run and run.ended and run

    return stage.until(look, "the run's end")


@pytest.mark.parametrize(
    ("part", "number"),
    [
        ("worker", signal.SIGTERM),
        ("gateway", signal.SIGKILL),
        ("jobs", signal.SIGKILL),
        ("temporal", signal.SIGKILL),
        ("postgres", signal.SIGQUIT),  # at once, without a last checkpoint
    ],
)
def test_a_run_goes_on_when_a_part_ends_in_its_middle(
    stage: Stage, part: str, number: signal.Signals
) -> None:
    watched = stage.watch(agent_command=SLOWLY)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")
    os.kill(_pid_of(stage, part), number)
    run = _ended(stage, watched)
    assert (run.status, run.error_message) == ("completed", ""), stage._told()
    assert len(stage.events(run, "agent.started")) == 1
    said = [event.data["text"] for event in stage.events(run, "agent.message")]
    assert said == [f"step {n}" for n in range(8)]
    assert len(stage.forge.pulls(watched.name)) == 1
    stage.nothing_left(run)
