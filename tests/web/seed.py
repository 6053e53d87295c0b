"""A database as it looks after a busy day, for pages to show."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text
from sqlmodel import Session

from paid.contracts import ENDED, RunStatus
from paid.models import Event, Issue, Output, Run, Step
from paid.store import clock, events, projects
from paid.store.credentials import SecretBox
from paid.store.projects import NewProject

_GITHUB_IDS = count(1000)


@dataclass
class Seed:
    """Makes rows in one session."""

    session: Session
    folder: Path

    def project(self, full_name: str = "", api_url: str = "https://forge.example/api/v3") -> int:
        owner, name = (full_name or f"acme/greeter-{next(_GITHUB_IDS)}").split("/")
        box = SecretBox(self.folder / "seed.key")
        new = NewProject(
            api_url=api_url,
            owner=owner,
            name=name,
            github_id=next(_GITHUB_IDS),
            clone_url=f"https://forge.example/{owner}/{name}.git",
            default_branch="main",
            token="a token",
        )
        project = projects.add(self.session, box, new)
        assert project.id is not None
        return project.id

    def run(
        self,
        project_id: int,
        title: str = "Greet people by name",
        status: str = "running",
        *,
        number: int | None = None,
        minutes_ago: float = 5,
        minutes_long: float = 4,
        **values: Any,
    ) -> int:
        """A run with its issue; an ended one ended `minutes_long` after it began."""
        number = number or next(_GITHUB_IDS)
        issue = Issue(
            project_id=project_id,
            number=number,
            github_id=next(_GITHUB_IDS),
            title=title,
            html_url=f"https://forge.example/acme/greeter/issues/{number}",
            author="maria",
            generation=1,
        )
        self.session.add(issue)
        self.session.flush()
        began = clock.now(self.session) - timedelta(minutes=minutes_ago)
        if status in ENDED:
            values.setdefault("ended_at", began + timedelta(minutes=minutes_long))
        if status == RunStatus.COMPLETED:
            pull = {"pr_number": number + 1, "pr_url": f"https://forge.example/acme/pull/{number}"}
            values = {**pull, **values}
        run = Run(
            project_id=project_id,
            issue_id=issue.id,
            generation=1,
            workflow_id=f"run:{next(_GITHUB_IDS)}:{number}:1",
            status=status,
            requested_by="maria",
            agent="codex",
            created_at=began,
            started_at=began + timedelta(seconds=1),
            **values,
        )
        self.session.add(run)
        self.session.flush()
        assert run.id is not None
        return run.id

    def say(self, run_id: int, kind: str, *, minutes_ago: float = 0, **data: Any) -> None:
        """An event of a run."""
        run = self.session.get_one(Run, run_id)
        self.session.add(
            Event(
                chain=events.run_chain(run_id),
                run_id=run_id,
                project_id=run.project_id,
                kind=kind,
                data=events.without_nul(data),
                at=clock.now(self.session) - timedelta(minutes=minutes_ago),
            )
        )
        self.session.flush()

    def step(self, run_id: int, kind: str = "agent", number: int = 1, **values: Any) -> int:
        step = Step(
            run_id=run_id, kind=kind, number=number, container=f"paid-run-{run_id}", **values
        )
        self.session.add(step)
        self.session.flush()
        assert step.id is not None
        return step.id

    def output(self, run_id: int, step_id: int, number: int, printed: str) -> None:
        row = Output(run_id=run_id, step_id=step_id, number=number, text=events.storable(printed))
        self.session.add(row)
        self.session.flush()

    def spend(self, run_id: int, microdollars: int, *, days_ago: int = 0, **values: Any) -> None:
        """A model request that cost so much."""
        item = {
            "request_id": str(uuid4()),
            "run_id": run_id,
            "amount": microdollars,
            "basis": "vendor",
            "vendor": "openai",
            "model": "gpt-5.1-codex",
            "input_tokens": 12_400,
            "output_tokens": 830,
            **values,
        }
        self.session.connection().execute(
            text("SELECT * FROM ledger_settle(CAST(:items AS jsonb), :at)"),
            {"items": json.dumps([item]), "at": clock.now(self.session) - timedelta(days=days_ago)},
        )

    def hold(self, run_id: int, **detail: Any) -> None:
        """Make a run wait for money."""
        self.session.connection().execute(
            text("SELECT run_hold_open(:run, 'budget', NULL, CAST(:detail AS jsonb))"),
            {"run": run_id, "detail": json.dumps(detail)},
        )


def busy_day(session: Session, folder: Path) -> dict[str, int]:
    """Two projects and runs of every kind; returns the ids of those worth opening."""
    seed = Seed(session, folder)
    greeter, parser = seed.project("acme/greeter"), seed.project("acme/timespan-parser")
    ids = {"project": greeter}
    for number, (title, status) in enumerate(_PAST * 4):
        error = _ERRORS.get(status, {})
        run_id = seed.run(
            greeter if number % 3 else parser,
            title,
            status,
            minutes_ago=400 - number * 9,
            minutes_long=3 + number % 5,
            **error,
        )
        seed.spend(run_id, 110_000 + 53_000 * (number % 7), days_ago=number % 12)
    ids["failed"] = _failed(seed, greeter)
    ids["completed"] = _completed(seed, parser)
    ids["held"] = _held(seed, greeter)
    seed.run(parser, "Split the settings module in two", "queued", minutes_ago=0.4)
    ids["running"] = _running(seed, greeter)
    return ids


_PAST = [
    ("Say what is wrong when a duration has no unit", "completed"),
    ("Accept “1h30” without a minute sign", "completed"),
    ("Remove the dead plural rules", "no_changes"),
    ("Explain rounding in the README", "completed"),
    ("Support ISO 8601 weeks", "failed"),
    ("Speed up parsing of long lists", "cancelled"),
]
_ERRORS = {
    "failed": {
        "error_code": "limit_reached",
        "error_message": "The checks still fail after 10 rounds of agent and checks.",
    },
    "cancelled": {"error_code": "cancelled", "error_message": "Cancelled by maria."},
}


def _way(seed: Seed, run_id: int, *statuses: str, minutes_ago: float) -> None:
    for place, status in enumerate(statuses):
        seed.say(run_id, f"run.{status}", minutes_ago=minutes_ago * (1 - place / len(statuses)))


def _conversation(seed: Seed, run_id: int, minutes_ago: float) -> None:
    for place, (kind, data) in enumerate(_TALK):
        seed.say(
            run_id, f"agent.{kind}", minutes_ago=minutes_ago * (1 - place / len(_TALK)), **data
        )


_TALK: list[tuple[str, dict[str, Any]]] = [
    ("session", {"session_id": "0199-77"}),
    ("message", {"text": "I'll read the parser and its tests before I change anything."}),
    ("tool_call", {"call_id": "1", "tool": "shell", "arguments": {"command": ["ls", "-R", "."]}}),
    (
        "tool_result",
        {"call_id": "1", "text": "README.md\ntimespan/parsing.py\ntimespan/wording.py\n" * 4},
    ),
    (
        "thought",
        {"text": "The unit table is a dict, so a missing unit raises KeyError, not ValueError."},
    ),
    (
        "tool_call",
        {
            "call_id": "2",
            "tool": "apply_patch",
            "arguments": {"input": "*** Update File: timespan/parsing.py\n-    raise\n+    say()"},
        },
    ),
    ("tool_result", {"call_id": "2", "text": "Done!"}),
    ("file_change", {"path": "timespan/parsing.py", "change": "update"}),
    ("file_change", {"path": "tests/test_parsing.py", "change": "add"}),
    (
        "tool_call",
        {
            "call_id": "3",
            "tool": "shell",
            "arguments": {"command": "python3 -m unittest discover -s tests"},
        },
    ),
    (
        "tool_result",
        {"call_id": "3", "text": "Ran 14 tests in 0.004s\n\nFAILED (failures=1)", "failed": True},
    ),
    (
        "message",
        {
            "text": "One test expected the old wording. It is the message that the issue asks to "
            "change, so I update the test and keep the exception's type."
        },
    ),
    (
        "tool_call",
        {
            "call_id": "4",
            "tool": "shell",
            "arguments": {"command": "python3 -m unittest discover -s tests"},
        },
    ),
    ("tool_result", {"call_id": "4", "text": "Ran 14 tests in 0.004s\n\nOK"}),
]
_PRINTED = [
    '{"type":"thread.started","thread_id":"0199-77"}\n{"type":"turn.started"}',
    "\x1b[2m$\x1b[0m python3 -m unittest discover -s tests\n..............\n" + "-" * 70,
    "Ran 14 tests in 0.004s\n\n\x1b[32mOK\x1b[0m\n[paid/issue-12-7 4be1f02] Name the unit",
]


def _running(seed: Seed, project_id: int) -> int:
    run_id = seed.run(
        project_id,
        "Say which unit is unknown, and list the known ones",
        "running",
        number=12,
        minutes_ago=3.2,
        branch="paid/issue-12-7",
        base_sha="9f2c1d" * 6 + "9f2c",
        host="build-1",
        iterations=1,
        tokens_used=52_400,
    )
    _way(seed, run_id, "queued", "provisioning", minutes_ago=3.2)
    seed.say(run_id, "run.host", minutes_ago=3.1, host="build-1")
    seed.say(run_id, "run.running", minutes_ago=2.9)
    _conversation(seed, run_id, 2.8)
    seed.step(run_id, "base", state="succeeded", exit_code=0, ended_at=clock.now(seed.session))
    step_id = seed.step(run_id)
    for number, printed in enumerate(_PRINTED):
        seed.output(run_id, step_id, number, printed)
    seed.spend(run_id, 412_300)
    seed.spend(run_id, 131_900, input_tokens=39_000)
    return run_id


def _completed(seed: Seed, project_id: int) -> int:
    run_id = seed.run(
        project_id,
        "Round half a minute up, as the README promises",
        "completed",
        number=31,
        minutes_ago=22,
        minutes_long=6,
        iterations=2,
        head_sha="4be1f02" * 5 + "4be1f",
        branch="paid/issue-31-9",
        host="build-1",
    )
    statuses = ["provisioning", "running", "verifying", "running", "verifying", "creating_pr"]
    for place, status in enumerate(statuses):
        seed.say(run_id, f"run.{status}", minutes_ago=22 - place)
    _conversation(seed, run_id, 18)
    seed.say(run_id, "run.ended", minutes_ago=16, status="completed", code="", message="")
    seed.step(run_id, state="succeeded", exit_code=0, ended_at=clock.now(seed.session))
    seed.spend(run_id, 873_000)
    return run_id


def _failed(seed: Seed, project_id: int) -> int:
    run_id = seed.run(
        project_id,
        "Parse durations in Esperanto",
        "failed",
        number=17,
        minutes_ago=64,
        minutes_long=9,
        iterations=10,
        **_ERRORS["failed"],
    )
    _way(seed, run_id, "queued", "provisioning", "running", "verifying", minutes_ago=64)
    _conversation(seed, run_id, 60)
    code, message = _ERRORS["failed"].values()
    seed.say(run_id, "run.ended", minutes_ago=55, status="failed", code=code, message=message)
    step_id = seed.step(
        run_id, "verify", state="failed", exit_code=1, ended_at=clock.now(seed.session)
    )
    seed.output(run_id, step_id, 0, "FAILED (failures=3)")
    seed.spend(run_id, 2_110_000)
    return run_id


def _held(seed: Seed, project_id: int) -> int:
    run_id = seed.run(
        project_id,
        "Translate every message into Portuguese",
        "running",
        number=23,
        minutes_ago=34,
        iterations=3,
        host="build-1",
    )
    _way(seed, run_id, "queued", "provisioning", "running", minutes_ago=34)
    _conversation(seed, run_id, 30)
    seed.step(run_id)
    seed.spend(run_id, 4_960_000)
    seed.hold(
        run_id,
        scope="run",
        period="total",
        limit_microdollars=5_000_000,
        spent_microdollars=4_960_000,
        needed_microdollars=310_000,
    )
    return run_id
