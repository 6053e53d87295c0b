"""The run's workflow on a real server, with activities of the same names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError

from paid.contracts import (
    HostSlot,
    KeptWork,
    PullRequest,
    RunEnd,
    RunPlan,
    RunStatus,
    TurnEnd,
    TurnInput,
    TurnResult,
    VerifyResult,
    Workspace,
)
from paid.errors import (
    BadInputError,
    ContainerError,
    DatabaseError,
    DetachedError,
    DockerUnavailableError,
    GatewayAwayError,
    GitUnavailableError,
    HostFullError,
    NoDockerError,
    PaidError,
    PolicyError,
    SandboxNotTightError,
)
from paid.queues import CLAIM_SOON
from paid.workflows.steps import MOST_INTERRUPTIONS
from tests.waiting import happens
from tests.workflows.conftest import KEEPER, Handle, StartRun, cancel_is_seen
from tests.workflows.fakes import BASE, HEAD

pytestmark = pytest.mark.anyio

WORKSPACE = Workspace(1, "volume", BASE, "paid/issue-1-1")
AFTERWARDS = ["cleanup_worktree", "end_run", "release_container", "report_end"]
"""What follows every end; people are told beside the clean-up, so the order is only partly fixed.
"""


async def test_a_run_goes_its_way_to_a_pull_request_and_cleans_up(start_run: StartRun) -> None:
    handle, fake = await start_run()
    end = await handle.result()
    assert end.status is RunStatus.COMPLETED
    assert end.pull_request is not None
    assert end.pull_request.number == 7
    way = [name for name in fake.calls if name not in ("announce", "report_end")]
    assert set(way[2:4]) == {"create_worktree", "run_agent"}  # they go to the host at once
    assert way[:2] + way[4:] == [
        "check_budget",
        "provision_container",
        "verify",
        "create_pull_request",
        "end_run",
        "release_container",
        "cleanup_worktree",
    ]
    assert [name for name in fake.calls if name in ("announce", "report_end")] == [
        "announce",
        "report_end",
    ]


async def test_its_queries_answer_after_the_end(start_run: StartRun) -> None:
    handle, _ = await start_run()
    await handle.result()
    assert await handle.query("status") == "completed"
    assert await handle.query("iterations") == 1
    assert await handle.query("tokens_used") == 100


async def test_its_history_stays_small(start_run: StartRun) -> None:
    handle, _ = await start_run()
    await handle.result()
    history = await handle.fetch_history()
    assert len(history.events) < 100


async def test_the_budgets_word_goes_through_no_queue(start_run: StartRun) -> None:
    handle, fake = await start_run()
    await handle.result()
    history = await handle.fetch_history()
    queued = {
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    }
    assert queued == set(fake.calls) - {"check_budget"}


async def test_the_first_turn_waits_on_its_host_for_the_workspace(start_run: StartRun) -> None:
    is_there = asyncio.Event()

    async def create_worktree(_: Any) -> Workspace:
        await is_there.wait()
        return WORKSPACE

    def run_agent(given: TurnInput) -> TurnResult:
        is_there.set()
        return TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(create_worktree=create_worktree, run_agent=run_agent)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [turn.workspace for turn in fake.turns] == [None]


async def test_a_first_turn_that_finds_no_workspace_is_asked_for_again_with_one(
    start_run: StartRun,
) -> None:
    def run_agent(given: TurnInput) -> TurnResult:
        end = TurnEnd.FINISHED if given.workspace else TurnEnd.NO_WORKSPACE
        return TurnResult(end, HEAD if given.workspace else None)

    handle, fake = await start_run(create_worktree=lambda _: WORKSPACE, run_agent=run_agent)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [turn.workspace for turn in fake.turns] == [None, WORKSPACE]
    assert {(turn.turn, turn.iteration) for turn in fake.turns} == {(1, 1)}
    assert await handle.query("iterations") == 1


async def test_a_turn_that_waits_for_a_workspace_ends_when_there_will_be_none(
    start_run: StartRun,
) -> None:
    waits, ended = asyncio.Event(), []

    async def create_worktree(_: Any) -> Workspace:
        await waits.wait()
        raise BadInputError("The repository is empty.")

    async def run_agent(_: TurnInput) -> TurnResult:
        waits.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    handle, fake = await start_run(create_worktree=create_worktree, run_agent=run_agent)
    await handle.result()
    assert (fake.ends[0].status, fake.ends[0].code) == (RunStatus.FAILED, "bad_input")
    assert ended == ["cancelled"]


async def test_failing_checks_go_back_to_the_agent(start_run: StartRun) -> None:
    verdicts = iter([VerifyResult(False, 5, "x"), VerifyResult(True)])
    handle, fake = await start_run(verify=lambda _: next(verdicts))
    end = await handle.result()
    assert end.status is RunStatus.COMPLETED
    assert [(turn.iteration, turn.feedback_id) for turn in fake.turns] == [(1, None), (2, 5)]


async def test_checks_that_never_pass_end_the_run_at_its_last_round(start_run: StartRun) -> None:
    handle, fake = await start_run(
        check_budget=lambda _: RunPlan(allowed=True, max_iterations=4, has_checks=True),
        verify=lambda given: VerifyResult(False, 5, f"failure {given.iteration}"),
    )
    end = await handle.result()
    assert end.status is RunStatus.FAILED
    assert len(fake.turns) == 4
    assert fake.ends[0].code == "limit_reached"
    assert "4 rounds" in fake.ends[0].message


async def test_checks_that_cannot_pass_end_the_run_before_another_turn(
    start_run: StartRun,
) -> None:
    reason = "The check `make` ended with exit code 127, and on the untouched base too."
    handle, fake = await start_run(verify=lambda _: VerifyResult(False, 5, "x", reason, "why"))
    end = await handle.result()
    assert end.status is RunStatus.FAILED
    assert len(fake.turns) == 1
    assert (fake.ends[0].code, fake.ends[0].message) == ("checks_cannot_pass", reason)


async def test_the_last_failing_check_is_named_at_a_limit(start_run: StartRun) -> None:
    handle, fake = await start_run(
        check_budget=lambda _: RunPlan(allowed=True, max_iterations=1, has_checks=True),
        verify=lambda _: VerifyResult(False, 5, "x", summary="The check `make` ended with 2."),
    )
    await handle.result()
    message = "The checks still fail after one round of agent and checks."
    assert fake.ends[0].message == f"{message}\nThe check `make` ended with 2."


async def test_the_same_output_three_times_ends_the_run(start_run: StartRun) -> None:
    handle, fake = await start_run(
        run_agent=lambda _: TurnResult(TurnEnd.FINISHED, HEAD, 1, "same"),
        verify=lambda _: VerifyResult(False, 5, "same failure"),
    )
    end = await handle.result()
    assert end.status is RunStatus.FAILED
    assert len(fake.turns) == 3
    assert "3 times" in fake.ends[0].message


@pytest.mark.parametrize(
    ("turn", "status"),
    [
        (TurnResult(TurnEnd.FINISHED, None), RunStatus.NO_CHANGES),
        (TurnResult(TurnEnd.NEEDS_INPUT, None, message="Which?"), RunStatus.NEEDS_INPUT),
        (TurnResult(TurnEnd.AGENT_ERROR, None), RunStatus.FAILED),
        (TurnResult(TurnEnd.TIME_LIMIT, HEAD), RunStatus.FAILED),
        (TurnResult(TurnEnd.TOKEN_LIMIT, HEAD), RunStatus.FAILED),
        (TurnResult(TurnEnd.LOOP, HEAD), RunStatus.FAILED),
    ],
)
async def test_every_other_end_of_a_turn_is_an_end_of_the_run(
    start_run: StartRun, turn: TurnResult, status: RunStatus
) -> None:
    handle, fake = await start_run(run_agent=lambda _: turn)
    end = await handle.result()
    assert end.status is status
    assert "create_pull_request" not in fake.calls
    assert sorted(fake.calls[-4:]) == AFTERWARDS


async def test_a_run_without_money_waits_until_the_budget_is_raised(start_run: StartRun) -> None:
    poor = RunPlan(allowed=False, reason="no money")
    plans = iter([poor, poor, RunPlan(allowed=True)])
    asked = asyncio.Queue[None]()

    def check_budget(_: Any) -> RunPlan:
        asked.put_nowait(None)
        return next(plans)

    handle, fake = await start_run(check_budget=check_budget)
    await asked.get()
    await asked.get()
    assert await _eventually(handle, "budget_exceeded")
    assert "provision_container" not in fake.calls
    assert fake.calls.count("announce") == 1
    await handle.signal("budget_changed")
    assert (await handle.result()).status is RunStatus.COMPLETED


async def test_a_turn_that_ran_out_of_money_goes_on_where_it_was(start_run: StartRun) -> None:
    turns = iter(
        [TurnResult(TurnEnd.BUDGET, None), TurnResult(TurnEnd.FINISHED, HEAD, 2, "second")]
    )
    handle, fake = await start_run(run_agent=lambda _: next(turns))
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [(turn.turn, turn.iteration, turn.resumed) for turn in fake.turns] == [
        (1, 1, False),
        (2, 1, True),
    ]


async def test_workers_that_are_lost_do_not_use_up_the_agents_attempts(
    start_run: StartRun,
) -> None:
    lost = iter([True] * 7)

    def run_agent(_: TurnInput) -> TurnResult:
        if next(lost, False):
            raise DetachedError("The worker lets go of the agent, which goes on.")
        return TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(run_agent=run_agent)
    assert (await handle.result()).status == RunStatus.COMPLETED
    assert [turn.turn for turn in fake.turns] == [1] * 8


@pytest.mark.parametrize("loss", ["WorkerLostError", "DetachedError"])
async def test_lost_workers_leave_every_other_fault_all_its_attempts(
    start_run: StartRun, loss: str
) -> None:
    """Each step loses as many workers as it has attempts, and then cannot be done for a moment."""
    usual: dict[str, Any] = {
        "create_worktree": WORKSPACE,
        "run_agent": TurnResult(TurnEnd.FINISHED, HEAD),
        "verify": VerifyResult(passed=True),
        "create_pull_request": PullRequest(7, "http://forge/pull/7"),
        "end_run": RunEnd(RunStatus.COMPLETED),
        "release_container": None,
        "cleanup_worktree": None,
    }
    lost = {"create_pull_request": 8, "end_run": 10, "release_container": 20}
    started = {}
    for struck, result in usual.items():
        number = lost.get(struck, 5)
        answer = _after(number, loss, result)
        started[struck] = (number, *await start_run(**{struck: answer}))
    for struck, (number, handle, fake) in started.items():
        assert (await handle.result()).status is RunStatus.COMPLETED, struck
        assert fake.calls.count(struck) == number + 2


def _after(number: int, loss: str, result: Any) -> Callable[[Any], Any]:
    """An answer behind so many lost workers and a moment without Docker."""
    left = iter(range(number + 1))

    def answer(_: Any) -> Any:
        if (at := next(left, None)) is None:
            return result
        if at < number:
            raise ApplicationError(
                "The worker is gone.", type=loss, next_retry_delay=timedelta(milliseconds=1)
            )
        error = DockerUnavailableError("Docker does not answer.")
        error.retry_after_seconds = 0.01
        raise error

    return answer


@pytest.mark.parametrize(
    ("step", "waits"), [("create_worktree", 6), ("run_agent", 5), ("verify", 6)]
)
async def test_docker_that_stays_away_under_a_step_fails_the_run_with_that_reason(
    start_run: StartRun, step: str, waits: int
) -> None:
    error = DockerUnavailableError("Docker does not answer.")
    error.retry_after_seconds = 0.01

    def away(_: Any) -> None:
        raise error

    handle, fake = await start_run(**{step: away})
    assert (await handle.result()).status is RunStatus.FAILED
    assert (fake.ends[0].code, fake.calls.count(step)) == ("docker_unavailable", waits + 1)


@pytest.mark.parametrize("error", [DatabaseError("away"), DockerUnavailableError("away")])
async def test_a_cancelled_step_that_finds_something_away_is_not_begun_again(
    start_run: StartRun, error: PaidError
) -> None:
    begun = asyncio.Event()

    async def run_agent(_: Any) -> None:
        begun.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            raise error from None

    handle, fake = await start_run(run_agent=run_agent)
    await begun.wait()
    await handle.cancel()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert fake.calls.count("run_agent") == 1


async def test_finished_work_waits_for_a_github_that_is_away(start_run: StartRun) -> None:
    left = iter(range(9))  # one more than the server's own attempts

    def create_pull_request(_: Any) -> PullRequest:
        if next(left, None) is not None:
            error = GitUnavailableError("The remote did not answer.")
            error.retry_after_seconds = 0.01
            raise error
        return PullRequest(7, "http://forge/pull/7")

    handle, fake = await start_run(create_pull_request=create_pull_request)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.calls.count("create_pull_request") == 10
    assert fake.calls.count("run_agent") == 1


async def test_an_outage_of_the_database_is_waited_out_however_far_the_run_is(
    start_run: StartRun,
) -> None:
    """Each outage strikes a run of its own, so that their pauses pass at once."""
    pull_request = PullRequest(7, "http://forge/pull/7")
    usual = {
        "check_budget": RunPlan(allowed=True),
        "run_agent": TurnResult(TurnEnd.FINISHED, HEAD),
        "create_pull_request": pull_request,
        "end_run": RunEnd(RunStatus.COMPLETED, pull_request),
    }
    outages = {"check_budget": 11, "run_agent": 4, "create_pull_request": 9, "end_run": 11}

    def answered(name: str, failures: int) -> Callable[[Any], Any]:
        left = iter(range(failures))

        def answer(_: Any) -> Any:
            if next(left, None) is not None:
                error = DatabaseError("PostgreSQL did not answer.")
                error.retry_after_seconds = 0.01
                raise error
            return usual[name]

        return answer

    started = {}
    for struck, failures in outages.items():
        answers = {name: answered(name, failures if name == struck else 0) for name in usual}
        started[struck] = await start_run(**answers)

    for struck, (handle, fake) in started.items():
        assert (await handle.result()).status is RunStatus.COMPLETED
        assert fake.calls.count(struck) - 1 == outages[struck]
        assert {turn.turn for turn in fake.turns} == {1}


@pytest.mark.parametrize("step", ["run_agent", "verify"])
async def test_a_gateway_that_stays_away_is_waited_for_and_people_are_told(
    start_run: StartRun, step: str
) -> None:
    usual = {"run_agent": TurnResult(TurnEnd.FINISHED, HEAD), "verify": VerifyResult(passed=True)}
    left = iter(range(2))

    def answer(_: Any) -> Any:
        if next(left, None) is not None:
            raise GatewayAwayError("The gateway does not answer.")
        return usual[step]

    handle, fake = await start_run(**{step: answer})
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.calls.count(step) == 3
    assert {turn.turn for turn in fake.turns} == {1}
    assert "announce" in fake.calls[fake.calls.index(step) :]


async def test_an_agent_whose_container_was_ended_from_outside_fails_the_run_with_that_reason(
    start_run: StartRun,
) -> None:
    lost = TurnResult(TurnEnd.LOST, HEAD, message="The agent's container was killed.")
    handle, fake = await start_run(run_agent=lambda _: lost)
    assert (await handle.result()).status is RunStatus.FAILED
    assert (fake.ends[0].code, fake.ends[0].message) == ("container_lost", lost.message)


async def test_an_agent_that_docker_has_taken_with_it_goes_on_but_not_for_ever(
    start_run: StartRun,
) -> None:
    interrupted = TurnResult(TurnEnd.INTERRUPTED, HEAD, message="Docker was started again.")
    left = iter(range(2))

    def twice(_: Any) -> TurnResult:
        return interrupted if next(left, None) is not None else TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(run_agent=twice)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [(turn.turn, turn.iteration, turn.resumed) for turn in fake.turns] == [
        (1, 1, False), (2, 1, True), (3, 1, True),
    ]  # fmt: skip
    handle, fake = await start_run(run_agent=lambda _: interrupted)
    assert (await handle.result()).status is RunStatus.FAILED
    assert len(fake.turns) == 1 + MOST_INTERRUPTIONS
    assert fake.ends[0].code == "container_lost"


async def test_a_passing_failure_is_retried(start_run: StartRun) -> None:
    failures = iter([True, False])

    def create_worktree(given: Any) -> Any:
        if next(failures):
            raise GitUnavailableError("The repository does not answer.")
        return {"run_id": given.run_id, "volume": "v", "base_sha": "b" * 40, "branch": "x"}

    handle, fake = await start_run(create_worktree=create_worktree)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.calls.count("create_worktree") == 2


@pytest.mark.parametrize(
    "reason", [DockerUnavailableError("Docker is away."), HostFullError("All slots are taken.")]
)
async def test_people_are_told_when_no_host_takes_the_run_soon(
    start_run: StartRun, reason: PaidError
) -> None:
    reason.retry_after_seconds = 0.05
    tries, told = count(1), asyncio.Event()

    def provision(_: Any) -> HostSlot:
        if not told.is_set():
            raise reason
        return HostSlot("here", fake.task_queue)

    handle, fake = await start_run(
        provision_container=lambda given: (next(tries), provision(given))[1],
        announce=lambda _: told.set(),
    )
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert next(tries) > CLAIM_SOON.attempts
    assert fake.calls.count("announce") == 2
    assert fake.calls.index("announce") < fake.calls.index("create_worktree")


async def test_a_host_that_is_found_after_a_moment_is_told_once(start_run: StartRun) -> None:
    away = iter([True, False])

    def provision(_: Any) -> HostSlot:
        if next(away):
            raise DockerUnavailableError("Docker is away.")
        return HostSlot("here", fake.task_queue)

    handle, fake = await start_run(provision_container=provision)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.calls.count("announce") == 1


async def test_a_run_without_any_docker_fails_and_has_nothing_to_clean(
    start_run: StartRun,
) -> None:
    def provision(_: Any) -> None:
        raise NoDockerError("Docker did not answer.", hint="Start it.")

    handle, fake = await start_run(provision_container=provision)
    assert (await handle.result()).status is RunStatus.FAILED
    assert (fake.ends[0].code, fake.ends[0].message) == (
        "docker_unavailable",
        "Docker did not answer. Start it.",
    )
    assert fake.calls == ["check_budget", "provision_container", "end_run", "report_end"]


async def test_people_learn_the_end_while_the_clean_up_still_waits_for_its_host(
    start_run: StartRun,
) -> None:
    reported = asyncio.Event()

    async def release(_: Any) -> None:
        await reported.wait()

    handle, _ = await start_run(release_container=release, report_end=lambda _: reported.set())
    assert (await handle.result()).status is RunStatus.COMPLETED


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("create_worktree", BadInputError("The repository is empty.", hint="Push a commit.")),
        ("run_agent", SandboxNotTightError("A lock is open.")),
        ("create_pull_request", PolicyError("It touches workflows.")),
        ("verify", ContainerError("It ended.")),
    ],
)
async def test_a_failure_that_no_retry_mends_ends_the_run_with_its_reason(
    start_run: StartRun, name: str, error: Exception
) -> None:
    def fail(_: Any) -> None:
        raise error

    handle, fake = await start_run(**{name: fail})
    end = await handle.result()
    assert end.status is RunStatus.FAILED
    assert fake.calls.count(name) == 1
    assert str(error) in fake.ends[0].message
    assert fake.ends[0].code == error.code  # type: ignore[attr-defined]
    assert sorted(fake.calls[-4:]) == AFTERWARDS


@pytest.mark.parametrize("name", ["create_worktree", "run_agent", "verify"])
async def test_a_cancel_during_a_step_waits_for_it_and_cleans_up(
    start_run: StartRun, name: str
) -> None:
    begun = asyncio.Event()
    handle, fake = await start_run(**{name: _heartbeating(begun)})
    await begun.wait()
    await handle.cancel()
    end = await handle.result()
    assert end.status is RunStatus.CANCELLED
    assert sorted(fake.calls[-4:]) == AFTERWARDS
    assert "create_pull_request" not in fake.calls


async def test_a_step_that_finishes_in_spite_of_a_cancel_does_not_swallow_it(
    start_run: StartRun,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def stubborn(_: Any) -> TurnResult:
        begun.set()
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                continue
        return TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(run_agent=stubborn)
    await begun.wait()
    await handle.cancel()
    go_on.set()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert "verify" not in fake.calls


async def test_people_are_told_of_one_thing_at_a_time(start_run: StartRun) -> None:
    speaking, most, go_on = 0, 0, asyncio.Event()
    plans = iter([True, False, False, True])
    turns = iter([TurnResult(TurnEnd.BUDGET, None), TurnResult(TurnEnd.FINISHED, HEAD)])

    async def announce(_: Any) -> None:
        nonlocal speaking, most
        speaking += 1
        most = max(most, speaking)
        go_on.set()
        await asyncio.sleep(0.3)  # as long as a comment takes
        speaking -= 1

    async def run_agent(_: TurnInput) -> TurnResult:
        await go_on.wait()
        return next(turns)

    handle, fake = await start_run(
        check_budget=lambda _: RunPlan(allowed=next(plans), wait_seconds=0.1),
        run_agent=run_agent,
        announce=announce,
    )
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert (most, fake.calls.count("announce")) == (1, 2)


async def test_news_of_a_pause_take_the_place_of_those_of_the_start(start_run: StartRun) -> None:
    plans = iter([True, False, False, True])
    turns = iter([TurnResult(TurnEnd.BUDGET, None), TurnResult(TurnEnd.FINISHED, HEAD)])
    handle, fake = await start_run(
        check_budget=lambda _: RunPlan(allowed=next(plans), wait_seconds=0.1),
        run_agent=lambda _: next(turns),
        provision_container=lambda _: _crowded(3600.0),
    )
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.calls.count("announce") == 1


async def test_a_host_that_took_a_run_during_its_cancel_is_cleaned_up(start_run: StartRun) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def provision(_: Any) -> HostSlot:
        begun.set()
        await go_on.wait()
        return HostSlot("here", activity.info().task_queue.removesuffix("-hosts"))

    handle, fake = await start_run(provision_container=provision)
    await begun.wait()
    await handle.cancel()
    await cancel_is_seen(handle)
    go_on.set()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert sorted(fake.calls[-4:]) == AFTERWARDS
    assert "create_worktree" not in fake.calls


async def test_a_cancel_that_meets_the_end_of_news_ends_neither_the_report_nor_the_clean_up(
    start_run: StartRun,
) -> None:
    """The workflow learns of both in one task: what is held here is that task."""
    announcing, holding, said, go_on = (asyncio.Event() for _ in range(4))
    plans = iter([True, False])

    async def check_budget(_: Any) -> RunPlan:
        plan = RunPlan(allowed=next(plans))
        if not plan.allowed:
            holding.set()
            await go_on.wait()
        return plan

    async def announce(_: Any) -> None:
        announcing.set()
        await said.wait()

    async def run_agent(_: Any) -> TurnResult:
        await announcing.wait()
        return TurnResult(TurnEnd.BUDGET, None)

    handle, fake = await start_run(
        check_budget=check_budget, announce=announce, run_agent=run_agent
    )
    await holding.wait()
    said.set()
    await _nothing_is_pending(handle)
    await handle.cancel()
    go_on.set()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert sorted(name for name in fake.calls if name in AFTERWARDS) == AFTERWARDS


async def test_a_claim_that_fails_in_spite_of_a_cancel_does_not_swallow_it(
    start_run: StartRun,
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def provision(_: Any) -> HostSlot:
        begun.set()
        await go_on.wait()
        raise HostFullError("full")

    handle, fake = await start_run(provision_container=provision)
    await begun.wait()
    await handle.cancel()
    await cancel_is_seen(handle)
    go_on.set()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert fake.calls.count("provision_container") == 1


async def test_a_cancelled_turn_whose_worker_was_lost_is_not_begun_again(
    start_run: StartRun,
) -> None:
    begun = asyncio.Event()

    async def run_agent(_: Any) -> None:
        begun.set()
        try:
            while True:
                activity.heartbeat()
                await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            raise ApplicationError("The worker was lost.", type="WorkerLostError") from None

    handle, fake = await start_run(run_agent=run_agent)
    await begun.wait()
    await handle.cancel()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert fake.calls.count("run_agent") == 1


async def test_a_run_goes_on_when_its_budget_is_raised_while_people_cannot_be_told(
    start_run: StartRun,
) -> None:
    announcing, plans, github = asyncio.Event(), iter([False, True]), asyncio.Event()

    async def announce(_: Any) -> None:
        announcing.set()
        await github.wait()

    handle, fake = await start_run(
        check_budget=lambda _: RunPlan(allowed=next(plans)), announce=announce
    )
    await announcing.wait()
    await handle.signal("budget_changed")
    await happens(lambda: "create_pull_request" in fake.calls, "the pull request")
    github.set()
    assert (await handle.result()).status is RunStatus.COMPLETED


async def test_a_second_cancel_does_not_stop_the_clean_up(start_run: StartRun) -> None:
    begun, cleaning, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def release(_: Any) -> None:
        cleaning.set()
        await go_on.wait()

    handle, fake = await start_run(run_agent=_heartbeating(begun), release_container=release)
    await begun.wait()
    await handle.cancel()
    await cleaning.wait()
    try:
        await handle.cancel()
    finally:
        go_on.set()
    assert (await handle.result()).status is RunStatus.CANCELLED
    assert sorted(fake.calls[-4:]) == AFTERWARDS


async def test_a_broken_clean_up_does_not_hide_the_end(start_run: StartRun) -> None:
    def fail(_: Any) -> None:
        raise PolicyError("never")

    handle, fake = await start_run(release_container=fail, report_end=fail, announce=fail)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert "cleanup_worktree" in fake.calls
    assert (await handle.describe()).status is WorkflowExecutionStatus.COMPLETED


def _heartbeating(begun: asyncio.Event) -> Any:
    async def wait(_: Any) -> None:
        begun.set()
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)  # the activity of a real agent takes its time

    return wait


async def _eventually(handle: Any, status: str) -> bool:
    async def is_so() -> bool:
        return bool(await handle.query("status") == status)

    await happens(is_so, f"the status {status}")
    return True


async def test_on_a_crowded_host_people_are_told_a_little_later(start_run: StartRun) -> None:
    told = asyncio.Event()

    async def work(_: Any) -> TurnResult:
        await told.wait()
        return TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(
        provision_container=lambda _: _crowded(0.2),
        announce=lambda _: told.set(),
        run_agent=work,
    )
    await handle.result()
    assert fake.calls.index("run_agent") < fake.calls.index("announce")
    assert fake.calls.count("announce") == 1


async def test_a_run_that_ends_in_the_crowd_is_told_of_once(start_run: StartRun) -> None:
    handle, fake = await start_run(provision_container=lambda _: _crowded(3600.0))
    end = await handle.result()
    assert end.status is RunStatus.COMPLETED
    assert "announce" not in fake.calls
    assert fake.calls.count("report_end") == 1


def _crowded(seconds: float) -> HostSlot:
    return HostSlot("here", activity.info().task_queue.removesuffix("-hosts"), seconds)


async def _nothing_is_pending(handle: Handle) -> None:
    """Wait until the server has the ends of all activities that it knows of."""

    async def ended() -> bool:
        return not (await handle.describe()).raw_description.pending_activities

    await happens(ended, "the end of every activity")


def _committed(head_sha: str) -> TurnResult:
    return TurnResult(TurnEnd.FINISHED, head_sha, 100, head_sha, "ok")


REFUSED = PullRequest(0, "", feedback_id=5, code="push_rejected", message="a.bin is too large")


async def test_what_the_agent_can_mend_goes_back_to_it_before_it_is_published(
    start_run: StartRun,
) -> None:
    answers = iter([REFUSED, PullRequest(7, "http://forge/pull/7")])
    handle, fake = await start_run(create_pull_request=lambda _: next(answers))
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [turn.feedback_id for turn in fake.turns] == [None, 5]
    assert fake.calls.count("verify") == 2


async def test_a_change_that_is_refused_again_and_again_fails_with_the_reason(
    start_run: StartRun,
) -> None:
    heads = iter(["b" * 40, "c" * 40, "d" * 40])
    handle, fake = await start_run(
        create_pull_request=lambda _: REFUSED, run_agent=lambda _: _committed(next(heads))
    )
    assert (await handle.result()).status is RunStatus.FAILED
    assert (fake.ends[0].code, fake.ends[0].message) == (REFUSED.code, REFUSED.message)
    assert len(fake.turns) == 3


async def test_an_agent_that_leaves_what_was_refused_as_it_is_is_not_paid_a_third_time(
    start_run: StartRun,
) -> None:
    handle, fake = await start_run(create_pull_request=lambda _: REFUSED)
    assert (await handle.result()).status is RunStatus.FAILED
    assert (fake.ends[0].code, fake.ends[0].message) == (REFUSED.code, REFUSED.message)
    assert len(fake.turns) == 2


async def test_another_refusal_of_the_same_commit_goes_back_too(start_run: StartRun) -> None:
    """A key in the pull request's text can be mended without a commit."""
    answers = iter([replace(REFUSED, message=said) for said in ("a", "b", "c")])
    handle, fake = await start_run(create_pull_request=lambda _: next(answers))
    assert (await handle.result()).status is RunStatus.FAILED
    assert len(fake.turns) == 3


@pytest.mark.parametrize(("rounds", "said"), [(1, "one round"), (2, "2 rounds")])
async def test_rounds_are_counted_in_english(start_run: StartRun, rounds: int, said: str) -> None:
    plan = RunPlan(allowed=True, has_checks=True, max_iterations=rounds)
    handle, fake = await start_run(
        check_budget=lambda _: plan, verify=lambda given: VerifyResult(False, given.iteration)
    )
    await handle.result()
    assert fake.ends[0].message == f"The checks still fail after {said} of agent and checks."


async def test_the_last_round_that_is_refused_says_why(start_run: StartRun) -> None:
    plan = RunPlan(allowed=True, has_checks=True, max_iterations=1)
    handle, fake = await start_run(
        check_budget=lambda _: plan, create_pull_request=lambda _: REFUSED
    )
    await handle.result()
    assert fake.ends[0].message == REFUSED.message


async def test_nothing_to_publish_is_no_failure(start_run: StartRun) -> None:
    def create_pull_request(_: Any) -> PullRequest:
        raise ApplicationError(
            "nothing is left", "no_changes", type="NothingToPublishError", non_retryable=True
        )

    handle, fake = await start_run(create_pull_request=create_pull_request)
    assert (await handle.result()).status is RunStatus.NO_CHANGES
    assert fake.ends[0].code == "no_changes"


async def test_kept_work_is_published_at_its_host_without_an_agent(start_run: StartRun) -> None:
    handle, fake = await start_run(
        check_budget=lambda _: RunPlan(allowed=True, publish_at=KEEPER),
        restore_work=lambda _: KeptWork(WORKSPACE, HEAD),
    )
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert fake.turns == []
    assert "provision_container" not in fake.calls
    assert fake.calls.index("restore_work") < fake.calls.index("create_pull_request")
    assert set(AFTERWARDS) <= set(fake.calls)


async def test_work_that_could_not_be_taken_goes_back_to_the_agent(start_run: StartRun) -> None:
    def run_agent(given: TurnInput) -> TurnResult:
        if given.turn == 1:
            return TurnResult(TurnEnd.FINISHED, None, feedback_id=9, code="x", message="too large")
        return TurnResult(TurnEnd.FINISHED, HEAD)

    handle, fake = await start_run(run_agent=run_agent)
    assert (await handle.result()).status is RunStatus.COMPLETED
    assert [turn.feedback_id for turn in fake.turns] == [None, 9]
    assert fake.calls.count("verify") == 1
