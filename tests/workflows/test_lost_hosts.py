"""Runs whose host does not answer any more, and those that take its place."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.worker import Worker

from paid import queues
from paid.contracts import (
    HostSlot,
    RunPlan,
    RunStatus,
    TurnEnd,
    TurnResult,
    VerifyResult,
    Workspace,
)
from paid.errors import DockerUnavailableError
from tests.workflows.conftest import Handle, StartRun, cancel_is_seen
from tests.workflows.fakes import BASE, HEAD, FakeRun

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("given_up_soon")]
GONE = "-gone"


@pytest.fixture
def given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host is given up after seconds, and not after a quarter of an hour."""
    for name in ("CONTAINER", "AGENT", "PUBLISH", "CLEANUP"):
        preset = replace(getattr(queues, name), schedule_to_start=timedelta(seconds=3))
        monkeypatch.setattr(queues, name, preset)


@pytest.fixture
def silence_is_seen_soon(given_up_soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn without a heartbeat is given up after a second, and not after a minute."""
    monkeypatch.setattr(queues, "AGENT", replace(queues.AGENT, heartbeat=timedelta(seconds=1)))


class Hosts:
    """Claims whose first answer is a host that will be lost, and whose next is one that works."""

    def __init__(self) -> None:
        self.claimed: list[str] = []

    def claim(self, _: Any) -> HostSlot:
        queue = activity.info().task_queue.removesuffix("-hosts")
        self.claimed.append(queue if self.claimed else queue + GONE)
        return HostSlot("here", self.claimed[-1])


def _first_host(handle: Handle, fake: FakeRun, *names: str) -> Worker:
    """The host that will be lost; it does what is named, one thing at a time."""
    return Worker(
        handle._client,
        task_queue=fake.task_queue + GONE,
        activities=[it for it in fake.all() if it.__name__ in names],
        max_concurrent_activities=1,
    )


async def test_a_round_that_a_lost_host_took_along_does_not_count(start_run: StartRun) -> None:
    hosts, losing = Hosts(), list[Worker]()

    def create(given: Any) -> Workspace:
        if losing:
            asyncio.get_running_loop().create_task(losing.pop().shutdown())
        return Workspace(given.run_id, "volume", BASE, "branch")

    handle, fake = await start_run(
        provision_container=hosts.claim,
        create_worktree=create,
        check_budget=lambda _: RunPlan(allowed=True, has_checks=True, max_iterations=1),
    )
    losing.append(first := _first_host(handle, fake, "create_worktree"))
    await first.run()
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.calls.count("verify") == 1


async def test_a_host_that_is_lost_before_it_publishes_is_given_up(start_run: StartRun) -> None:
    hosts, verified = Hosts(), asyncio.Event()

    def verify(_: Any) -> VerifyResult:
        verified.set()
        return VerifyResult(passed=True)

    handle, fake = await start_run(provision_container=hosts.claim, verify=verify)
    first = _first_host(handle, fake, "create_worktree", "run_agent", "verify")
    working = asyncio.create_task(first.run())
    await verified.wait()
    await first.shutdown()
    await working
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [queue.endswith(GONE) for queue in hosts.claimed] == [True, False]


async def test_a_cancel_while_a_further_host_makes_its_workspace_is_not_swallowed(
    start_run: StartRun,
) -> None:
    hosts, begun, go_on = Hosts(), asyncio.Event(), asyncio.Event()

    async def create(given: Any) -> Workspace:
        begun.set()
        await go_on.wait()
        return Workspace(given.run_id, "volume", BASE, "branch")

    handle, fake = await start_run(provision_container=hosts.claim, create_worktree=create)
    await begun.wait()
    await handle.cancel()
    await cancel_is_seen(handle)
    go_on.set()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert "run_agent" not in fake.calls


@pytest.mark.usefixtures("silence_is_seen_soon")
async def test_workers_that_fall_silent_leave_an_absence_of_docker_its_time(
    start_run: StartRun,
) -> None:
    """More of them than a turn has attempts; Temporal itself notices each."""
    silent, away = iter(range(queues.AGENT.attempts)), iter(range(2))

    async def run_agent(_: Any) -> TurnResult:
        if next(silent, None) is not None:
            await asyncio.Event().wait()
        if next(away, None) is not None:
            error = DockerUnavailableError("Docker does not answer.")
            error.retry_after_seconds = 0.01
            raise error
        return TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(run_agent=run_agent)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [turn.turn for turn in fake.turns] == [1] * (queues.AGENT.attempts + 3)
    history = await handle.fetch_history()
    started = [event.activity_task_started_event_attributes for event in history.events]
    assert max(attempt.attempt for attempt in started) == 1, "Temporal counts lost workers"
