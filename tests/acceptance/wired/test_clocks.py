"""Hosts whose clocks are an hour off, or step (fault 26): nothing ends early, late or twice.

PostgreSQL keeps the time of an installation; every other process here has another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from paid import health
from paid.demo.sample import CHECK
from paid.embedded.process import read_pid
from paid.models import Run
from paid.store import clock, ledger, sessions, steps
from tests.acceptance.oracle import AGENT, books_are_right, completed_once
from tests.acceptance.stage import OWNER, Stage
from tests.acceptance.test_scenarios import SLOWLY
from tests.acceptance.wired.installation import WiredStage
from tests.off_clock import environment, stepping
from tests.plain_http import NO_TLS


@contextmanager
def worker_with(wired: WiredStage, changes: dict[str, str]) -> Iterator[None]:
    """A worker in the place of the installation's own."""
    wired.worker.stop()
    wired.worker.start(**changes)
    try:
        yield
    finally:
        wired.worker.stop()
        wired.worker.start()


def test_a_run_comes_to_its_pull_request_though_its_workers_clock_is_off_and_steps(
    wired: WiredStage, faketime: None, tmp_path: Path
) -> None:
    wired.model.reset()
    watched = wired.watch(agent_command=AGENT, checks=[["python3", "-c", "pass"]])
    offset = tmp_path / "offset"
    offset.write_text("+1h\n")
    with worker_with(wired, stepping(offset)):
        wired.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
        run = wired.begun(watched)
        wired.saw(run, "agent.message")
        offset.write_text("-1h\n")
        run = wired.ended(watched)
        completed_once(wired, watched, [run])
    books_are_right(wired, [run])
    _tells_postgresqls_time(wired, run)


def test_an_installation_works_as_ever_on_a_host_whose_clock_is_ahead(
    stage: Stage, faketime: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stage.database.session() as session:
        token = sessions.new_login_link(session)
    with monkeypatch.context() as clocks:
        for name, value in environment("+1h").items():
            clocks.setenv(name, value)
        for pid in _start_again(stage):
            assert b"FAKETIME=+1h" in Path(f"/proc/{pid}/environ").read_bytes()
        watched = stage.watch(agent="codex", run_cents=2000, checks=[list(CHECK)])
        stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
        run = stage.ended(watched)
        base = stage.paid.dashboard_url
        with httpx.Client(
            base_url=base, headers={"origin": base}, trust_env=False, verify=NO_TLS
        ) as browser:
            browser.post("/login", data={"token": token})
            assert browser.get(f"/runs/{run.id}").status_code == 200
    _start_again(stage)
    assert (run.status, run.error_message) == ("completed", ""), stage._told()
    cost = stage.settled(run)
    with stage.database.session() as session:
        today = ledger.spent(session, "project", watched.project_id)["day"]
    assert today.spent_microdollars == cost.spent_microdollars > 0
    assert today.reserved_microdollars == 0
    _tells_postgresqls_time(stage, run)


def _start_again(stage: Stage) -> list[int | None]:
    """End all of Paid's programs; their successors get the environment that is there now."""
    files = {name: stage.settings.data_dir / "logs" / f"{name}.pid" for name in health.CHECKS}
    before = [read_pid(file) for file in files.values()]
    for name in files:
        stage.kill(name)
    stage.until(
        lambda: not {None, *before} & {read_pid(file) for file in files.values()}, "other programs"
    )
    for name, is_well in health.CHECKS.items():
        stage.until(partial(is_well, stage.settings, 0), name)
    return [read_pid(file) for file in files.values()]


def test_a_turn_does_not_end_early_because_its_next_workers_clock_is_ahead(
    wired: WiredStage, faketime: None
) -> None:
    watched = wired.watch(agent_command=SLOWLY, max_seconds=1800)
    wired.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = wired.begun(watched)
    wired.saw(run, "agent.message")
    wired.worker.kill()
    with worker_with(wired, environment("+1h")):
        run = wired.ended(watched)
    assert (run.status, run.error_message) == ("completed", ""), wired._told()
    said = [event.data["text"] for event in wired.events(run, "agent.message")]
    assert said == [f"step {n}" for n in range(8)]
    assert len(wired.events(run, "agent.started")) == 1


def _tells_postgresqls_time(stage: Stage, run: Run) -> None:
    """What happened to a run is told in the order in which it happened, none of it later."""
    assert run.id is not None
    with stage.database.session() as session:
        now = clock.now(session)
        containers = steps.of_run(session, run.id)
    assert run.started_at is not None
    assert run.ended_at is not None
    for step in containers:
        assert step.ended_at is not None
        assert run.started_at < step.started_at < step.ended_at < run.ended_at
    told = [run.created_at, run.started_at, run.ended_at, now]
    assert told == sorted(told)
    for before, after in pairwise(stage.events(run)):
        assert before.at <= after.at
    assert now - run.created_at < timedelta(minutes=30)
