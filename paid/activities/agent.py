"""The activity that runs one turn of the agent, and takes its commits out of the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from temporalio import activity

from paid.activities import disk_full
from paid.activities.gateway_wait import WAITED, WAITING, GatewayWait
from paid.activities.heartbeat import cancel_was_requested, heartbeats
from paid.activities.parts import WORKTREE, Host
from paid.activities.turn_end import (
    how_it_ended,
    note_engine_away,
    note_verdict,
    with_refusal,
)
from paid.activities.turn_gaps import gaps_in, sent_back
from paid.activities.turn_log import TurnLog
from paid.activities.turn_state import TurnState
from paid.activities.turn_task import spec_of
from paid.activities.turn_watch import Guardrails, Look, TurnWatch
from paid.activities.turn_work import COLLECTED, TurnWork
from paid.agents import registry
from paid.containers.contract import Exit
from paid.containers.endings import REMOVED, error_of
from paid.containers.image.paid_step.places import DONE, LATER
from paid.containers.reports import ReportReader
from paid.contracts import RunStatus, TurnEnd, TurnInput, TurnResult, Workspace
from paid.errors import (
    ContainerError,
    ContainerLostError,
    DetachedError,
    DockerUnavailableError,
    GatewayAwayError,
    PaidError,
    RunCancelledError,
    SandboxNotTightError,
)
from paid.store import clock, holds, ledger, runs, steps

WORKSPACE_SECONDS = 20.0
"""So long a first turn waits for its workspace on the host; a clone may take many minutes, and they
are not the agent's."""
FREEZE_PART = 0.75
"""Of the gateway's own grace: a request that waits for money must not be refused first."""


class AgentActivities:
    """Runs agents on this host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._work = TurnWork(host)

    @activity.defn(name="run_agent", no_thread_cancel_exception=True)
    def run_agent(self, given: TurnInput) -> TurnResult:
        """Start the agent, or re-attach to it, follow it to its end, and collect its commits.

        A worker's shutdown leaves the container alone: the next attempt finds it by its name.
        """
        workspace = given.workspace or self._workspace_made_here(given.run_id)
        if workspace is None:
            return TurnResult(TurnEnd.NO_WORKSPACE, None)
        turn = self._begin(given, workspace)
        if "result" in turn.hold.report:
            return _result_of(turn.hold.report["result"])
        try:
            log, watch = self._started_and_followed(turn)
        except DockerUnavailableError:
            note_engine_away(self._host.database, turn.hold)
            raise
        if watch.detached:
            raise DetachedError("The worker lets go of the agent, which goes on.")
        if watch.cancelled:
            raise self._cancelled(turn)
        self._give_way(turn)
        with heartbeats():  # a large workspace is collected, and imported, for minutes
            exit = self._exit(turn, log)
            result = self._result(turn, log, watch, exit)
        self._end(turn, exit, result)
        return result

    def _workspace_made_here(self, run_id: int) -> Workspace | None:
        """The workspace that `create_worktree` makes beside this turn, once it is on record."""
        with heartbeats():
            self._host.background.wait(run_id, WORKTREE, WORKSPACE_SECONDS)
        with self._host.database.session() as session:
            run = runs.get(session, run_id)
        if run.host != self._host.settings.host_name or run.base_sha is None or run.branch is None:
            return None
        volume = self._host.workspaces.volume(run_id)
        return Workspace(run_id, volume, run.base_sha, run.branch)

    def _begin(self, given: TurnInput, workspace: Workspace) -> TurnState:
        name = f"paid-run-{given.run_id}-agent-{given.turn}"
        with self._host.database.session() as session:
            run = runs.enter(session, given.run_id, RunStatus.RUNNING, iteration=given.iteration)
            runs.require_host(run, self._host.settings.host_name)
            run.iterations = given.iteration
            facts = runs.facts(session, given.run_id)
            hold = steps.begin(session, given.run_id, run.project_id, "agent", given.turn, name)
        agent = registry.get(facts.run.agent)
        wait = GatewayWait(self._host.database, hold, begun="started")
        return TurnState(given, workspace, facts, hold, name, agent.transcript(), wait)

    def _started_and_followed(self, turn: TurnState) -> tuple[TurnLog, TurnWatch]:
        precedence, run_id = self._host.precedence, turn.given.run_id
        precedence.expect(run_id)
        try:
            with heartbeats():  # behind fifty others it waits longer than Temporal would
                self._start(turn)
            return self._follow(turn)
        finally:
            precedence.settle(run_id)

    def _give_way(self, turn: TurnState) -> None:
        """Let other runs start before this one's commits are taken; the container has ended."""
        with heartbeats():
            self._host.precedence.give_way(turn.given.run_id, leave=activity.is_cancelled)
        if activity.is_cancelled():
            if cancel_was_requested():
                raise self._cancelled(turn)
            raise DetachedError("The worker lets go of the agent's work, which is kept.")

    def _start(self, turn: TurnState) -> None:
        engine, is_first = self._host.engine, turn.hold.attempt == 1
        if is_first or engine.adopt(turn.name) is None:
            spec = spec_of(self._host, turn)
            if not is_first:
                with self._host.database.session() as session:
                    turn.hold = steps.read_anew(session, turn.hold)
            self._host.precedence.hold_back(turn.given.run_id, spec.task_folder / LATER)
            engine.start(spec)
        with self._host.database.session() as session:
            # an attempt that died may have started it and not said so
            if steps.note_start(session, turn.hold):
                agent = turn.facts.run.agent
                runs.say(session, turn.facts.run, "agent.started", container=turn.name, agent=agent)

    def _follow(self, turn: TurnState) -> tuple[TurnLog, TurnWatch]:
        engine, rails = self._host.engine, self._guardrails(turn)
        stream = engine.follow(turn.name)
        log = TurnLog(
            self._host.database,
            turn.hold,
            turn.transcript,
            ReportReader(engine.report_key(turn.name)),
            on_loop=lambda: watch.end(TurnEnd.LOOP, "The agent repeats itself."),
            on_report=lambda name: self._heard(turn, log, watch, name),
        )
        watch = TurnWatch(
            engine,
            turn.name,
            rails,
            look=lambda: self._look(turn),
            tick=log.flush,
            let_go=stream.close,
            note=partial(note_verdict, self._host.database, turn.hold),
        )
        try:
            with watch, stream:
                for line in stream:
                    watch.saw_output()
                    log.take(line)
                    if COLLECTED in log.reports:
                        break
        except ContainerLostError:
            turn.is_removed = True
        if not watch.detached:
            log.flush()
        return log, watch

    def _heard(self, turn: TurnState, log: TurnLog, watch: TurnWatch, report: str) -> None:
        """Say what a report means for the order of starts and ends, and use the time until then.

        The commits are bundled when `collected` comes; the container takes a moment to end.
        """
        run_id, precedence = turn.given.run_id, self._host.precedence
        if not log.is_told_anew:
            turn.wait.heard(report, log.reports[report])
        if report in (WAITING, WAITED):
            watch.waits(report == WAITING)
        if report in ("started", WAITING):
            precedence.settle(run_id)
        elif report == "agent_exit":
            precedence.ask(run_id)
            watch.agent_has_ended()
        elif report == COLLECTED and not precedence.is_crowded(run_id):
            collected = log.reports[report]
            self._host.background.begin(
                run_id, f"import {turn.name}", lambda: self._work.bring_in(turn, log, collected)
            )

    def _guardrails(self, turn: TurnState) -> Guardrails:
        return Guardrails(
            max_seconds=turn.given.max_seconds,
            max_tokens=turn.given.max_tokens,
            idle_seconds=turn.facts.policy.idle_seconds,
            freeze_seconds=FREEZE_PART * self._host.settings.hold_grace_seconds,
            elapsed_seconds=self._elapsed(turn),
            is_frozen=self._is_frozen(turn),
        )

    def _is_frozen(self, turn: TurnState) -> bool:
        """Whether an attempt that died had frozen the container; this one may have to free it."""
        if turn.hold.attempt == 1:
            return False
        facts = self._host.engine.inspect(turn.name)
        return facts is not None and bool(facts["State"]["Paused"])

    def _elapsed(self, turn: TurnState) -> float:
        """How many seconds the turn has run under attempts before, maybe another host's."""
        if turn.hold.attempt == 1:
            return 0
        with self._host.database.session() as session:
            return clock.since(session, turn.hold.started_at).total_seconds()

    def _look(self, turn: TurnState) -> Look:
        run_id = turn.given.run_id
        with self._host.database.session() as session:
            run = runs.get(session, run_id)
            hold = holds.current(session, run_id)
            cost = ledger.run_cost(session, run_id)
            tokens = cost.input_tokens + cost.output_tokens
            run.tokens_used = tokens
            return Look(
                cancelled=run.cancel_requested_at is not None,
                hold=None if hold is None else TurnEnd(hold.reason),
                tokens_used=tokens,
                model_calls=cost.requests,
            )

    def _exit(self, turn: TurnState, log: TurnLog) -> Exit:
        exit = self._container_exit(turn, log)
        disk_full.raise_if_stopped(self._host.database, turn.given.run_id, turn.hold.started_at)
        error = error_of(turn.name, exit, log.reports)
        if isinstance(error, GatewayAwayError):
            self._host.engine.remove(turn.name)  # another may be started: this one has not begun
        if isinstance(error, (GatewayAwayError, SandboxNotTightError)):
            raise error
        return exit

    def _container_exit(self, turn: TurnState, log: TurnLog) -> Exit:
        """Waited for only where it tells something: behind its last report it has no more to do."""
        if COLLECTED in log.reports:
            return Exit(DONE)
        if turn.is_removed:
            return REMOVED
        exit = self._host.engine.wait(turn.name, timeout_seconds=30)
        if exit is None:
            raise ContainerError(f"{turn.name} has closed its output but does not end.")
        return exit

    def _result(self, turn: TurnState, log: TurnLog, watch: TurnWatch, exit: Exit) -> TurnResult:
        look = self._look(turn)
        if look.hold is None and self._met_quota(turn):
            look = replace(look, hold=TurnEnd.QUOTA)
        end, message = how_it_ended(
            turn.transcript, turn.given.max_seconds, log, watch, exit, look, turn.hold.report
        )
        if look.cancelled and (end is not TurnEnd.FINISHED or COLLECTED not in log.reports):
            raise self._cancelled(turn)  # the host's keeper or a dead token came before the watch
        collected = log.reports.get(COLLECTED) or self._work.left(turn, end)
        turn.gaps = gaps_in(collected)
        try:
            head = self._host.background.outcome(
                turn.given.run_id,
                f"import {turn.name}",
                lambda: self._work.bring_in(turn, log, collected),
            )
        except PaidError as error:
            if error.for_agent is not None and end is TurnEnd.FINISHED:
                digest = f"{log.digest}{error.for_agent}"
                return sent_back(self._host.database, turn.hold, look.tokens_used, digest, error)
            if error.for_agent is None or collected.get("head"):
                raise
            head = None  # how the agent ended says more than what it left
        if end is TurnEnd.AGENT_ERROR:
            message = with_refusal(self._host.database, turn.hold, message[:1500])
        return TurnResult(
            end=end,
            head_sha=head,
            tokens_used=look.tokens_used,
            output_digest=f"{log.digest}{head}",
            message=message[:2000],
        )

    def _met_quota(self, turn: TurnState) -> bool:
        """Whether a vendor's limit came up in this turn and reset again while no worker watched."""
        with self._host.database.session() as session:
            return holds.met_quota(session, turn.given.run_id, turn.hold.started_at)

    def _cancelled(self, turn: TurnState) -> RunCancelledError:
        """Put on record that a cancel ended the turn; that it did so holds without the record."""
        with suppress(PaidError), self._host.database.session() as session:
            steps.end(session, turn.hold, "stopped", None)
            run = runs.get(session, turn.given.run_id)
            if not run.ended:
                told = "The run was cancelled before its agent's work was taken."
                runs.say(session, run, "turn.ended", end=str(RunStatus.CANCELLED), message=told)
        return RunCancelledError("The run was cancelled; its container was killed.")

    def _end(self, turn: TurnState, exit: Exit, result: TurnResult) -> None:
        with self._host.database.session() as session:
            steps.note(session, turn.hold, result=asdict(result), gaps=turn.gaps)
            state = "succeeded" if result.end is TurnEnd.FINISHED else "stopped"
            steps.end(session, turn.hold, state, exit.code)
            run = runs.get(session, turn.given.run_id)
            runs.require_host(run, self._host.settings.host_name)
            run.head_sha, run.tokens_used = result.head_sha, result.tokens_used
            runs.say(session, run, "turn.ended", turn=turn.given.turn, end=str(result.end),
                     head=result.head_sha, message=result.message)  # fmt: skip
        self._host.background.begin(
            turn.given.run_id, f"remove {turn.name}", lambda: self._host.engine.remove(turn.name)
        )


def _result_of(stored: Mapping[str, Any]) -> TurnResult:
    return TurnResult(**{**stored, "end": TurnEnd(stored["end"])})
