"""The activity that runs a project's checks on one exact commit, in a clean container."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from sqlmodel import Session
from temporalio import activity

from paid import check_ends, check_lines
from paid.activities import base_checks, disk_full
from paid.activities.base_checks import BaseChecks
from paid.activities.gateway_wait import GatewayWait
from paid.activities.heartbeat import cancel_was_requested, heartbeats
from paid.activities.parts import Host, container_name
from paid.check_ends import CheckEnd, Failure
from paid.containers.contract import Exit, LogLine
from paid.containers.endings import REMOVED, error_of
from paid.containers.reports import Report, ReportReader
from paid.containers.task import Task
from paid.contracts import RunStatus, VerifyInput, VerifyResult
from paid.empty_checks import ran_no_test
from paid.errors import (
    ContainerError,
    ContainerLostError,
    DetachedError,
    PaidError,
    RunCancelledError,
)
from paid.plain import plain
from paid.store import denials, runs, steps
from paid.store.events import NewEvent
from paid.store.runs import RunFacts
from paid.store.steps import StepHold

FEEDBACK_CHARACTERS = 20_000
"""Of the failing checks' output, the end, where the reasons usually are."""


@dataclass
class _Seen:
    """What a container of checks has said."""

    checks: list[dict[str, Any]] = field(default_factory=list)
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    last: LogLine | None = None

    def take(self, report: Report) -> None:
        """Read one report."""
        self.reports[report.name] = report.fields
        if report.name == "check":
            self.checks.append(dict(report.fields))


class VerifyActivities:
    """Runs checks on this host. A repeated attempt adopts the container that it finds."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._bases = BaseChecks(host)

    @activity.defn(name="verify", no_thread_cancel_exception=True)
    def verify(self, given: VerifyInput) -> VerifyResult:
        """Run every check of the project; what failed is kept for the agent to read."""
        name = container_name(given.run_id, "verify", given.iteration)
        with self._host.database.session() as session:
            run = runs.enter(session, given.run_id, RunStatus.VERIFYING, commit=given.head_sha)
            facts = runs.facts(session, given.run_id)
            hold = steps.begin(
                session,
                given.run_id,
                run.project_id,
                "verify",
                given.iteration,
                name,
            )
        if "result" in hold.report:
            return VerifyResult(**hold.report["result"])
        checks = self._checked(given, facts, hold)
        result = self._conclude(given, facts, hold, checks)
        # not before: another attempt, which took the place of this one, may follow it
        self._host.engine.remove(name)
        self._host.workspaces.remove_verify(given.run_id, given.iteration)
        return result

    def _checked(self, given: VerifyInput, facts: RunFacts, hold: StepHold) -> list[dict[str, Any]]:
        """Each check's report, in order; a check that did not come to run has none."""
        host, name = self._host, container_name(given.run_id, "verify", given.iteration)
        if host.engine.adopt(name) is None:
            hold = self._start(given, facts, hold)
        seen, exit = self._follow(name, hold)
        is_whole = exit is not None and len(seen.checks) == len(facts.policy.checks)
        error = None if is_whole else self._reason(given.run_id, name, hold, seen, exit)
        if error is None or not error.retryable:
            self._store(seen, facts, hold)
        if error is not None:
            host.engine.remove(name)
            raise error
        return seen.checks

    def _start(self, given: VerifyInput, facts: RunFacts, hold: StepHold) -> StepHold:
        """Start the checks in a clean workspace; what an attempt before left of its own goes."""
        host, project_id = self._host, hold.project_id
        with heartbeats():
            if hold.attempt > 1:
                with host.database.session() as session:
                    hold = steps.read_anew(session, hold)
                host.workspaces.remove_verify(given.run_id, given.iteration)
            volume = host.workspaces.create_verify(
                given.run_id,
                given.iteration,
                project_id,
                host.mirrors.path(project_id),
                given.base_sha,
            )
            task = Task(
                mode="verify",
                base_sha=given.base_sha,
                head_sha=given.head_sha,
                checks=tuple(tuple(check) for check in facts.policy.checks),
                check_timeout_seconds=facts.policy.check_timeout_seconds,
                gateway=True,
            )
            host.engine.start(host.spec(facts, "verify", given.iteration, task, volume=volume))
        return hold

    def _follow(self, name: str, hold: StepHold) -> tuple[_Seen, Exit | None]:
        """What the container says, and its end; None when its output ended before it."""
        seen = _Seen()
        try:
            self._read(name, hold, seen)
            return seen, self._host.engine.wait(name, timeout_seconds=30)
        except ContainerLostError:
            return seen, REMOVED

    def _read(self, name: str, hold: StepHold, seen: _Seen) -> None:
        wait = GatewayWait(self._host.database, hold, begun="ready")
        reader = ReportReader(self._host.engine.report_key(name))
        stream = self._host.engine.follow(name)
        kill = partial(self._host.engine.kill, name)
        with stream, heartbeats(on_cancel=kill, on_detach=stream.close):
            for line in stream:
                seen.last = line
                report = reader.read(line.text)
                if report is None and line.text:
                    seen.lines.append(plain(line.text))
                elif report is not None:
                    seen.take(report)
                    wait.heard(report.name, report.fields)
        if activity.is_cancelled() and not cancel_was_requested():
            raise DetachedError("The worker lets go of the checks, which go on.")

    def _store(self, seen: _Seen, facts: RunFacts, hold: StepHold) -> None:
        """Put on record what the checks said, once."""
        if seen.last is None or hold.cursor:
            return
        told = [NewEvent("verify.check", _told(check, facts)) for check in seen.checks]
        with self._host.database.session() as session:
            steps.store_output(
                session, hold, hold.batches, seen.last.cursor, "\n".join(seen.lines[-5000:]), told
            )

    def _reason(
        self, run_id: int, name: str, hold: StepHold, seen: _Seen, exit: Exit | None
    ) -> PaidError:
        """Why the container ended before its checks: a cancel, a full disk, what happened to it."""
        with self._host.database.session() as session:
            if cancel_was_requested() or runs.get(session, run_id).cancel_requested_at is not None:
                return RunCancelledError("The run was cancelled while its checks ran.")
        disk_full.raise_if_stopped(self._host.database, run_id, hold.started_at)
        error = None if exit is None else error_of(name, exit, seen.reports, seen.lines)
        return error or ContainerError(
            "The checks' container ended before every check had run.",
            hint="Its memory or its process limit may be too small: `paid project set`.",
        )

    def _conclude(
        self, given: VerifyInput, facts: RunFacts, hold: StepHold, checks: list[dict[str, Any]]
    ) -> VerifyResult:
        failures = self._failures(given, facts, hold, checks)
        failed = [failure.head for failure in failures]
        text = "\n\n".join(map(_feedback, failures))
        with self._host.database.session() as session:
            feedback_id = None
            if failed:
                feedback_id = steps.add_feedback(
                    session, given.run_id, given.iteration, "checks", text
                )
            result = VerifyResult(
                passed=not failed,
                feedback_id=feedback_id,
                output_digest=_digest(text) if failed else "",
                cannot_pass=check_ends.cannot_pass(failures, facts.project.full_name),
                summary=failures[0].told() if failures else "",
            )
            self._tell_bases(session, facts, failures)
            told = [_told(check, facts) for check in checks]
            steps.note(session, hold, result=asdict(result), checks=told)
            steps.end(session, hold, "succeeded" if result.passed else "failed", None)
            runs.say(session, facts.run, "verify.ended", passed=result.passed,
                     commit=given.head_sha, failed=len(failed), checks=len(checks))  # fmt: skip
        return result

    def _failures(
        self, given: VerifyInput, facts: RunFacts, hold: StepHold, checks: list[dict[str, Any]]
    ) -> list[Failure]:
        """What failed, with how it ends on the untouched base."""
        failed = [check for check in checks if check_ends.end_of(check) is not CheckEnd.PASSED]
        if not failed:
            return []
        with self._host.database.session() as session:
            denied = denials.hosts(session, given.run_id, hold.started_at)
        seen = [denials.attributed(check, denied) for check in failed]
        return self._bases.failures(given, facts, seen, hold.started_at)

    def _tell_bases(self, session: Session, facts: RunFacts, failures: list[Failure]) -> None:
        for failure in failures:
            if failure.base is not None:
                index = int(failure.head["index"])
                runs.say(session, facts.run, "verify.base", **base_checks.told(failure, index))


def _told(check: dict[str, Any], facts: RunFacts) -> dict[str, Any]:
    output = plain(str(check.get("output", "")), check_ends.WHOLE)
    argv = facts.policy.checks[int(check["index"])]
    empty = {"ran_no_test": True} if ran_no_test(output) else {}
    return {**check, **empty, "argv": argv, "output": output[-4000:]}


def _digest(text: str) -> str:
    """Of the failing output without its numbers: times and ports differ where nothing else does."""
    return hashlib.sha256(re.sub(r"\d+", "#", text).encode()).hexdigest()


def _feedback(failure: Failure) -> str:
    output = plain(str(failure.head.get("output", "")), check_ends.WHOLE)
    base = ""
    if failure.fails_on_base:
        base = "\n(It fails on the untouched base too, in another way.)"
    ended = f"$ {check_lines.on_one_line(failure.argv)}\n({check_ends.how(failure.head)}){base}"
    return f"{ended}\n{output[-FEEDBACK_CHARACTERS:]}"
