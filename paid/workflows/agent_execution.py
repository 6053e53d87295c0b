"""One run: from a recorded, labelled issue to a pull request, or to another clear end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from temporalio import workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
)

with workflow.unsafe.imports_passed_through():
    from paid import queues
    from paid.contracts import (
        EndInput,
        HostSlot,
        RunEnd,
        RunInput,
        RunPlan,
        RunStatus,
        TurnEnd,
        TurnInput,
        TurnResult,
        VerifyInput,
        VerifyResult,
        Workspace,
    )
    from paid.workflows.announcements import Announcements
    from paid.workflows.patience import worker_was_lost
    from paid.workflows.publishing import Publishing
    from paid.workflows.run_end import SAME, end_after, still_failing
    from paid.workflows.steps import (
        Interruptions,
        do,
        end_of,
        host_is_gone,
        may_pass,
        step,
        undisturbed,
    )

NOTHING = type(None)
SAME_OUTPUT_LIMIT = 3
"""A run that says and does the same thing so often in a row is going round in circles."""
LONGEST_TURN_SECONDS = 40 * 60
"""Under the 45 minutes that one attempt of `run_agent` has, so that the limit ends it cleanly."""
HOSTS_TRIED = 3
LOST_WORKERS_ROUNDS = 10
"""How often a turn is given its attempts anew because the last one went with its worker."""
LONGEST_PAUSE = timedelta(days=14)
"""A pause for money ends the run when nobody has raised the budget by then."""


@workflow.defn(name="AgentExecutionWorkflow")
class AgentExecutionWorkflow:
    """The way of a run; every step is an activity that names its run and nothing else."""

    @workflow.init
    def __init__(self, run: RunInput) -> None:
        self._me = run
        self._run_id = run.run_id
        self._status = RunStatus.QUEUED
        self._iterations = 0
        self._interruptions = Interruptions()
        self._lost_rounds = 0  # whose work went with their host
        self._turn = 0
        self._tokens_used = 0
        self._digests: list[str] = []
        self._feedback_id: int | None = None
        self._summary = ""
        self._publishing = Publishing(run)
        self._slot: HostSlot | None = None
        self._news = Announcements(partial(self._tolerated, "announce", queues.GITHUB))
        self._work_announced = False
        self._look_again = False

    @workflow.run
    async def run(self, run: RunInput) -> RunEnd:
        """Work, clean up whatever happened, and end the run."""
        try:
            end = await self._work()
        except (Exception, asyncio.CancelledError) as error:
            end = end_after(self._run_id, error)
        return await undisturbed(self._finish(end))

    @workflow.query
    def status(self) -> str:
        """Where the run is; a `RunStatus`."""
        return str(self._status)

    @workflow.query
    def iterations(self) -> int:
        """Rounds of agent and checks so far, the present one included."""
        return self._iterations

    @workflow.query
    def tokens_used(self) -> int:
        """Tokens that the gateway metered up to the end of the last turn."""
        return self._tokens_used

    @workflow.signal
    def budget_changed(self) -> None:
        """Somebody changed a limit, so a paused run asks again whether it may go on."""
        self._look_again = True

    async def _work(self) -> EndInput:
        plan = await self._allowed_plan()
        if plan.publish_at:
            return await self._publish_kept(plan.publish_at)
        for _ in range(HOSTS_TRIED):
            try:
                return await self._work_on_a_host(plan)
            except ActivityError as error:
                if not host_is_gone(error):
                    raise
                workflow.logger.warning("The run's host does not answer; trying another one.")
                if workflow.patched("lost-rounds"):
                    self._lost_rounds = self._iterations
        return self._end(RunStatus.FAILED, "host_lost", "No host finished the run.")

    async def _publish_kept(self, host: str) -> EndInput:
        """Publish the work that was kept of a failed run, at the host that has it; no agent."""
        self._slot = HostSlot(host, queues.host_queue(workflow.info().task_queue, host))
        self._status = RunStatus.CREATING_PR
        return await self._publishing.publish_kept(self._me, self._host_queue)

    async def _work_on_a_host(self, plan: RunPlan) -> EndInput:
        self._status = RunStatus.PROVISIONING
        self._slot = await self._provision()
        first = self._first_turn_ahead(plan)
        workspace = await self._create_worktree(self._slot, first)
        self._announce_work()
        return await self._turns(plan, workspace, first)

    async def _turns(
        self, plan: RunPlan, workspace: Workspace, first: asyncio.Task[TurnResult] | None
    ) -> EndInput:
        """Rounds of agent and checks, until what passed is published or there is another end."""
        began, resumed = workflow.now(), False
        last = self._lost_rounds + plan.max_iterations
        while self._iterations < last or resumed:
            if not resumed:
                self._iterations += 1
            left = plan.max_seconds - (workflow.now() - began).total_seconds()
            turn = await self._begun_turn(first)
            if turn is None:
                turn = await self._agent_turn(plan, workspace, self._feedback_id, resumed, left)
            first, self._tokens_used = None, turn.tokens_used
            if turn.end in (TurnEnd.BUDGET, TurnEnd.QUOTA):
                paused_at = workflow.now()
                await self._allowed_plan()
                began += workflow.now() - paused_at
                resumed = True
                continue
            resumed = self._interruptions.may_go_on(turn)
            if resumed:
                continue
            if (end := await self._judged(plan, workspace, turn)) is not None:
                return end
        failing = still_failing(plan, self._summary)
        refused = self._publishing.refusal()
        return refused or self._end(RunStatus.FAILED, "limit_reached", failing)

    async def _judged(
        self, plan: RunPlan, workspace: Workspace, turn: TurnResult
    ) -> EndInput | None:
        """The run's end after a turn; None when the agent has something to mend."""
        if turn.feedback_id is not None:
            self._feedback_id = turn.feedback_id
            return self._publishing.not_taken(turn)
        if (end := self._end_of_turn(turn)) is not None:
            return end
        assert turn.head_sha is not None  # noqa: S101 - `_end_of_turn` has handled None
        verdict = await self._verified(plan, workspace, turn.head_sha)
        if verdict.passed:
            return await self._published(workspace, turn.head_sha)
        if verdict.cannot_pass:
            return self._end(RunStatus.FAILED, "checks_cannot_pass", verdict.cannot_pass)
        self._publishing.begin_anew()
        self._feedback_id, self._summary = verdict.feedback_id, verdict.summary
        if self._in_circles(turn.output_digest + verdict.output_digest):
            same = f"{SAME.format(SAME_OUTPUT_LIMIT)}\n{verdict.summary}".strip()
            return self._end(RunStatus.FAILED, "limit_reached", same)
        return None

    async def _published(self, workspace: Workspace, head_sha: str) -> EndInput | None:
        """The end with a pull request; None when it was refused for what the agent can mend."""
        self._status = RunStatus.CREATING_PR
        end = await self._publishing.publish(workspace, head_sha, self._host_queue)
        self._feedback_id = self._publishing.feedback_id
        return end

    def _end_of_turn(self, turn: TurnResult) -> EndInput | None:
        end = end_of(turn)
        return None if end is None else self._end(*end, turn.message)

    def _in_circles(self, digest: str) -> bool:
        self._digests.append(digest)
        last = self._digests[-SAME_OUTPUT_LIMIT:]
        return len(last) == SAME_OUTPUT_LIMIT and len(set(last)) == 1

    async def _allowed_plan(self) -> RunPlan:
        """Wait, durably, until the budget lets the run go on; its people are told once."""
        deadline, told = workflow.now() + LONGEST_PAUSE, False
        while True:
            self._look_again = False
            how = queues.QUICK if self._me.steps == 1 else queues.BESIDE
            plan = await step("check_budget", self._me, RunPlan, how)
            if plan.allowed:
                return plan
            if workflow.now() >= deadline:
                raise ApplicationError(plan.reason, type="BudgetExceededError", non_retryable=True)
            self._status = plan.status
            if not told:
                told = True
                await self._tell_of_a_pause()
                continue
            longest = (deadline - workflow.now()).total_seconds()
            wait = min(plan.wait_seconds or longest, longest)
            try:
                await workflow.wait_condition(lambda: self._look_again, timeout=wait)
            except TimeoutError:
                continue

    def _announce_work(self) -> None:
        """Tell people, once, when the container is what is waited for."""
        if not self._work_announced:
            self._work_announced = True
            self._news.begin(self._slot.quiet_after_seconds if self._slot else 0.0)

    async def _tell_of_a_pause(self) -> None:
        if not workflow.patched("announce-in-turn"):
            return await self._tolerated("announce", queues.GITHUB)
        news = self._news.begin()
        await workflow.wait_condition(lambda: news.done() or self._look_again)

    async def _provision(self) -> HostSlot:
        """Claim a host; people are told as soon as that takes longer than a moment."""
        try:
            return await self._claim(queues.CLAIM_SOON)
        except ActivityError as error:
            if not may_pass(error):
                raise
            if _is_cancelled() and workflow.patched("cancel-ends-a-claim"):
                raise asyncio.CancelledError from error
        self._news.begin()
        return await self._claim(queues.CLAIM)

    async def _claim(self, preset: queues.Preset) -> HostSlot:
        claims = queues.claim_queue(workflow.info().task_queue)
        slot = await do("provision_container", self._me, HostSlot, preset, claims)
        if workflow.cancellation_reason() is not None:
            if workflow.patched("clean-up-behind-a-claim"):
                self._slot = slot  # the host has begun to work for the run
            raise asyncio.CancelledError
        return slot

    async def _create_worktree(
        self, slot: HostSlot, first: asyncio.Task[TurnResult] | None
    ) -> Workspace:
        """Make the workspace; without one the turn that waits for it on the host ends too."""
        asked = "create_worktree", self._me, Workspace, queues.CONTAINER, slot.task_queue
        if self._me.steps == 1:
            return await do(*asked)
        try:
            return await step(*asked)
        except BaseException:
            if first is not None:
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
            raise

    def _first_turn_ahead(self, plan: RunPlan) -> asyncio.Task[TurnResult] | None:
        """Send the first turn to the host with its workspace: there it waits for that alone.

        Without it the answer would first have to come here. Not for a further host, nor on the
        way that runs went before.
        """
        if self._me.steps == 1 or self._turn > 0:
            return None
        self._turn = 1
        given = TurnInput(
            run_id=self._run_id,
            turn=1,
            iteration=1,
            workspace=None,
            max_seconds=_turn_seconds(plan.max_seconds),
            max_tokens=plan.max_tokens,
        )
        return asyncio.create_task(self._run_agent(given))

    async def _begun_turn(self, first: asyncio.Task[TurnResult] | None) -> TurnResult | None:
        """How the turn that was sent ahead ended; None when it found no workspace, or is none."""
        if first is None:
            return None
        self._status = RunStatus.RUNNING
        turn = await first
        if turn.end is TurnEnd.NO_WORKSPACE:
            self._turn -= 1
            return None
        return turn

    async def _agent_turn(
        self,
        plan: RunPlan,
        workspace: Workspace,
        feedback_id: int | None,
        resumed: bool,
        seconds_left: float,
    ) -> TurnResult:
        self._status = RunStatus.RUNNING
        self._turn += 1
        given = TurnInput(
            run_id=self._run_id,
            turn=self._turn,
            iteration=self._iterations,
            workspace=workspace,
            feedback_id=feedback_id,
            resumed=resumed,
            max_seconds=_turn_seconds(seconds_left),
            max_tokens=plan.max_tokens,
        )
        return await self._run_agent(given)

    async def _run_agent(self, given: TurnInput) -> TurnResult:
        """A turn lasts long and its failures are few, so those of its workers do not count.

        The rounds are those of runs that lost workers when Temporal still counted these; since
        then every step takes them itself (`steps.do`).
        """
        for _ in range(LOST_WORKERS_ROUNDS):
            try:
                return await self._turn_on_host(given)
            except ActivityError as error:
                if not worker_was_lost(error) or workflow.patched("lost-workers-of-run_agent"):
                    raise
                if not workflow.patched("lost-workers"):
                    raise
                if _is_cancelled() and workflow.patched("cancel-ends-a-lost-turn"):
                    raise asyncio.CancelledError from error
        return await self._turn_on_host(given)

    async def _turn_on_host(self, given: TurnInput) -> TurnResult:
        asked = "run_agent", given, TurnResult, queues.AGENT, self._host_queue
        return await step(*asked, self._tell_of_a_wait)

    def _tell_of_a_wait(self) -> None:
        """Tell people what the run's step waits for, or that it goes on."""
        self._news.begin()

    async def _verified(self, plan: RunPlan, workspace: Workspace, head_sha: str) -> VerifyResult:
        if not plan.has_checks:
            return VerifyResult(passed=True)
        self._status = RunStatus.VERIFYING
        given = VerifyInput(self._run_id, self._iterations, head_sha, workspace.base_sha)
        asked = "verify", given, VerifyResult, queues.CONTAINER, self._host_queue
        return await step(*asked, self._tell_of_a_wait)

    async def _finish(self, end: EndInput) -> RunEnd:
        """End it on record, then clean up and tell people, each in its own time.

        A broken clean-up is the reconciler's, not the run's.
        """
        ended = await do("end_run", end, RunEnd, queues.QUICK)
        self._status = ended.status
        await asyncio.gather(self._report_end(), self._clean_up())
        return ended

    async def _report_end(self) -> None:
        await self._news.end()
        await self._tolerated("report_end", queues.GITHUB)

    async def _clean_up(self) -> None:
        """Give back what the host has; beside the report, because Docker may be gone for long."""
        if self._slot is not None:
            await self._tolerated("release_container", queues.CLEANUP, self._host_queue)
            await self._tolerated("cleanup_worktree", queues.CLEANUP, self._host_queue)

    async def _tolerated(self, name: str, preset: queues.Preset, queue: str | None = None) -> None:
        try:
            await do(name, self._me, NOTHING, preset, queue)
        except ActivityError as error:
            workflow.logger.error("%s failed for good: %s", name, error.cause)

    @property
    def _host_queue(self) -> str:
        assert self._slot is not None  # noqa: S101 - asked for only once a host has the run
        return self._slot.task_queue

    def _end(self, status: RunStatus, code: str = "", message: str = "") -> EndInput:
        return EndInput(self._run_id, status, code, message)


def _is_cancelled() -> bool:
    return workflow.cancellation_reason() is not None


def _turn_seconds(left: float) -> int:
    return max(1, min(LONGEST_TURN_SECONDS, int(left)))
