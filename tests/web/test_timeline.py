from __future__ import annotations

from pathlib import Path

import pytest
from sqlmodel import Session

from paid.contracts import RunStatus
from paid.store import pages
from paid.store.database import Database
from tests.web.seed import Seed
from web.views.activity import item
from web.views.timeline import phases


def way(session: Session, folder: Path, status: str, *steps: str) -> list[tuple[str, str, int]]:
    seed = Seed(session, folder)
    run_id = seed.run(seed.project(), status=status, minutes_ago=10, minutes_long=10)
    for place, step in enumerate(steps):
        seed.say(run_id, f"run.{step}", minutes_ago=9 - place)
    return [(phase.name, phase.state, phase.visits) for phase in phases(pages.run(session, run_id))]


def test_a_live_run_has_what_was_what_is_and_what_comes(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        assert way(session, tmp_path, "running", "provisioning", "running") == [
            ("Queued", "done", 1),
            ("Sandbox", "done", 1),
            ("Agent", "current", 1),
            ("Pull request", "ahead", 0),
        ]


def test_rounds_are_counted(database: Database, tmp_path: Path) -> None:
    rounds = ["provisioning", "running", "verifying", "running", "verifying", "creating_pr"]
    with database.session() as session:
        found = way(session, tmp_path, "completed", *rounds)
    assert found == [
        ("Queued", "done", 1),
        ("Sandbox", "done", 1),
        ("Agent", "done", 2),
        ("Checks", "done", 2),
        ("Pull request", "done", 1),
    ]


@pytest.mark.parametrize("status", ["failed", "cancelled", "no_changes", "needs_input"])
def test_a_run_that_ended_otherwise_stopped_somewhere(
    database: Database, tmp_path: Path, status: str
) -> None:
    with database.session() as session:
        found = way(session, tmp_path, status, "provisioning")
    assert found[1] == ("Sandbox", "stopped", 1)
    assert found[2][1] == "ahead"


def test_a_pause_for_money_is_no_phase_of_its_own(database: Database, tmp_path: Path) -> None:
    steps = ["provisioning", "running", "budget_exceeded", "running"]
    with database.session() as session:
        found = way(session, tmp_path, RunStatus.RUNNING, *steps)
    assert found[2] == ("Agent", "current", 1)


def test_the_times_add_up_to_the_run(database: Database, tmp_path: Path) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project(), status="failed", minutes_ago=10, minutes_long=10)
        seed.say(run_id, "run.running", minutes_ago=6)
        found = phases(pages.run(session, run_id))
    # The two rows' times are each counted from their own now.
    assert [phase.seconds for phase in found] == pytest.approx([240, 0, 360, 0], abs=60)


def test_every_event_has_a_line_or_none(database: Database, tmp_path: Path) -> None:
    odd = [{}, {"text": None}, {"text": {"a": 1}}, {"text": "\x1b[1mx" * 9999}, {"argv": 3},
           {"percent": "x", "arguments": [1]}, {"arguments": {"command": [1, None]}},
           {"cost_microdollars": True, "data": [None]}]  # fmt: skip
    kinds = ["agent.message", "agent.thought", "agent.tool_call", "agent.tool_result",
             "agent.file_change", "agent.error", "agent.started", "agent.prompt", "model.usage",
             "run.ended", "run.host", "run.odd", "budget.warning", "budget.hold", "quota.hold",
             "hold.released", "egress.denied", "egress.connection", "verify.check",
             "verify.ended", "turn.ended", "step.probe", "step.odd", "x"]  # fmt: skip
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
        for kind in kinds:
            for data in odd:
                seed.say(run_id, kind, **data)
        lines = [item(event) for event in pages.last_events(session, run_id, limit=999)]
    assert len(lines) == len(kinds) * len(odd)
    assert all(line and (line.title or line.text or line.detail) for line in lines)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"command": "/bin/bash -lc 'ls -R .'"}, "ls -R ."),
        ({"command": ["bash", "-lc", "make 'all'"]}, "make 'all'"),
        ({"command": ["grep", "a b", "x"]}, "grep 'a b' x"),
        ({"cmd": "ls"}, "ls"),
        ({"file_path": "a.py"}, "a.py"),
        ({"other": 1}, ""),
    ],
)
def test_a_command_is_shown_without_the_shell_around_it(
    database: Database, tmp_path: Path, arguments: dict[str, object], shown: str
) -> None:
    with database.session() as session:
        seed = Seed(session, tmp_path)
        run_id = seed.run(seed.project())
        seed.say(run_id, "agent.tool_call", tool="shell", arguments=arguments)
        line = item(pages.last_events(session, run_id)[0])
    assert line is not None
    assert line.text == shown
