"""The activity that runs a project's checks on one exact commit, in a clean container."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any

from sqlmodel import Session
from temporalio import activity

from paid import check_ends, check_lines
from paid.activities import base_checks, disk_full
from paid.activities.base_checks import BaseChecks
from paid.activities.heartbeat import cancel_was_requested, heartbeats
from paid.activities.parts import Host, container_name
from paid.check_ends import CheckEnd, Failure
from paid.containers.contract import LogLine
from paid.containers.reports import ReportReader
from paid.containers.task import Task
from paid.contracts import RunStatus, VerifyInput, VerifyResult
from paid.errors import ContainerError, DetachedError, RunCancelledError
from paid.plain import plain
from paid.store import denials, runs, steps
from paid.store.events import NewEvent
from paid.store.runs import RunFacts
from paid.store.steps import StepHold

FEEDBACK_CHARACTERS = 20_000
"""Of the failing checks' output, the end, where the reasons usually are."""


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
        host, project_id = self._host, hold.project_id
        with heartbeats():
            volume = host.workspaces.create_verify(
                given.run_id,
                given.iteration,
                project_id,
                host.mirrors.path(project_id),
                given.base_sha,
            )
        name = container_name(given.run_id, "verify", given.iteration)
        if host.engine.inspect(name) is None:
            task = Task(
                mode="verify",
                base_sha=given.base_sha,
                head_sha=given.head_sha,
                checks=tuple(tuple(check) for check in facts.policy.checks),
                check_timeout_seconds=facts.policy.check_timeout_seconds,
                gateway=True,
            )
            host.engine.start(host.spec(facts, "verify", given.iteration, task, volume=volume))
        checks = self._follow(name, facts, hold)
        exit = host.engine.wait(name, timeout_seconds=30)
        if exit is None or len(checks) < len(facts.policy.checks):
            self._raise_reason(given.run_id, name, hold.started_at)
        return checks

    def _follow(self, name: str, facts: RunFacts, hold: StepHold) -> list[dict[str, Any]]:
        reader = ReportReader(self._host.engine.report_key(name))
        checks: list[dict[str, Any]] = []
        lines: list[str] = []
        last: LogLine | None = None
        stream = self._host.engine.follow(name)
        kill = partial(self._host.engine.kill, name)
        with stream, heartbeats(on_cancel=kill, on_detach=stream.close):
            for last in stream:
                report = reader.read(last.text)
                if report is None and last.text:
                    lines.append(plain(last.text))
                elif report is not None and report.name == "check":
                    checks.append(dict(report.fields))
        if activity.is_cancelled() and not cancel_was_requested():
            raise DetachedError("The worker lets go of the checks, which go on.")
        if last is not None and not hold.cursor:
            told = [NewEvent("verify.check", _told(check, facts)) for check in checks]
            with self._host.database.session() as session:
                steps.store_output(
                    session, hold, hold.batches, last.cursor, "\n".join(lines[-5000:]), told
                )
        return checks

    def _raise_reason(self, run_id: int, name: str, began: datetime) -> None:
        """Why the container ended before its checks: a cancel, a full disk, or its own limits."""
        with self._host.database.session() as session:
            if cancel_was_requested() or runs.get(session, run_id).cancel_requested_at is not None:
                raise RunCancelledError("The run was cancelled while its checks ran.")
        self._host.engine.remove(name)
        disk_full.raise_if_stopped(self._host.database, run_id, began)
        raise ContainerError(
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
    return {**check, "argv": argv, "output": output[-4000:]}


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
