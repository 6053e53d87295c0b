"""Tries checks that failed on a run's commit on its untouched base, before the agent is paid again.

What fails there in the same way cannot be mended by another round. The head beside its base as
evidence, for every check, is a later step's: it may read what is kept here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from temporalio import activity

from paid import check_ends
from paid.activities.heartbeat import cancel_was_requested, heartbeats
from paid.activities.parts import Host, container_name
from paid.check_ends import CheckEnd, Failure, Report
from paid.containers.contract import StepSpec
from paid.containers.endings import REMOVED, error_of
from paid.containers.images import agent_image_ref
from paid.containers.reports import ReportReader
from paid.containers.task import Task
from paid.contracts import VerifyInput
from paid.errors import (
    ContainerError,
    ContainerLostError,
    DetachedError,
    RunCancelledError,
)
from paid.models import Policy
from paid.store import base_checks, denials
from paid.store.runs import RunFacts

BASE_ROUNDS = 1000
"""A step's number on the base is that of its round and this: a run has at most 100 rounds."""
_log = structlog.get_logger(__name__)


class BaseChecks:
    """Runs checks on the bases of this host's runs."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def failures(
        self, given: VerifyInput, facts: RunFacts, failed: Sequence[Report], since: datetime
    ) -> list[Failure]:
        """The failed checks, with how each ends on the base; a base that cannot be tried is None.

        `since` is when they began on the commit: what was refused to the run from then on counts.

        Raises RunCancelledError and DetachedError, as the checks on the commit do.
        """
        checks = [tuple(facts.policy.checks[int(report["index"])]) for report in failed]
        try:
            on_base = self._on_base(given, facts, checks, since)
        except ContainerError as error:
            if error.retryable:
                raise
            _log.warning("base_checks.not_tried", run=given.run_id, why=str(error))
            on_base = {}
        return [
            Failure(argv, report, on_base.get(argv))
            for argv, report in zip(checks, failed, strict=True)
        ]

    def _on_base(
        self,
        given: VerifyInput,
        facts: RunFacts,
        checks: Sequence[tuple[str, ...]],
        since: datetime,
    ) -> dict[tuple[str, ...], Report]:
        image, project_id = agent_image_ref(facts.run.agent), facts.run.project_id
        keys = {argv: base_checks.key(argv, facts.policy, image) for argv in checks}
        with self._host.database.session() as session:
            known = base_checks.known(session, project_id, given.base_sha, list(keys.values()))
        missing = [argv for argv in keys if keys[argv] not in known]
        if missing:
            reports = self._try(given, facts, missing)
            with self._host.database.session() as session:
                hosts = denials.hosts(session, given.run_id, since)
            found = {argv: denials.attributed(report, hosts) for argv, report in reports.items()}
            told = {keys[argv]: report for argv, report in found.items()}
            with self._host.database.session() as session:
                base_checks.keep(session, project_id, given.base_sha, told)
            known |= {name: dict(report) for name, report in told.items()}
        return {argv: known[name] for argv, name in keys.items() if name in known}

    def _try(
        self, given: VerifyInput, facts: RunFacts, checks: Sequence[tuple[str, ...]]
    ) -> dict[tuple[str, ...], Report]:
        """Run the checks on the base, in a clean container of their own."""
        host, number = self._host, BASE_ROUNDS + given.iteration
        try:
            with heartbeats():
                host.engine.start(self._spec(given, facts, checks, number))
            reports = self._whole(container_name(given.run_id, "verify", number), len(checks))
        finally:
            if not (activity.is_cancelled() and not cancel_was_requested()):
                host.engine.remove(container_name(given.run_id, "verify", number))
                host.workspaces.remove_verify(given.run_id, number)
        return {checks[int(report["index"])]: report for report in reports}

    def _spec(
        self, given: VerifyInput, facts: RunFacts, checks: Sequence[tuple[str, ...]], number: int
    ) -> StepSpec:
        host, project_id = self._host, facts.run.project_id
        mirror = host.mirrors.path(project_id)
        volume = host.workspaces.create_verify(
            given.run_id, number, project_id, mirror, given.base_sha
        )
        task = task_of(facts.policy, checks, given.base_sha, given.base_sha)
        return host.spec(facts, "verify", number, task, volume=volume)

    def _whole(self, name: str, checks: int) -> list[Mapping[str, Any]]:
        """The reports; raises where another attempt may have more: a blow, or no gateway."""
        try:
            reports, exit = self._read(name), self._host.engine.wait(name, timeout_seconds=30)
        except ContainerLostError:
            reports, exit = [], REMOVED
        error = None if exit is None else error_of(name, exit, {})
        if error is not None and error.retryable and len(reports) < checks:
            raise error
        return reports

    def _read(self, name: str) -> list[Mapping[str, Any]]:
        """The reports of the checks, when the container has ended."""
        reader = ReportReader(self._host.engine.report_key(name))
        stream = self._host.engine.follow(name)
        kill = partial(self._host.engine.kill, name)
        found = []
        with stream, heartbeats(on_cancel=kill, on_detach=stream.close):
            for line in stream:
                report = reader.read(line.text)
                if report is not None and report.name == "check":
                    found.append(report.fields)
        if activity.is_cancelled():
            if cancel_was_requested():
                raise RunCancelledError("The run was cancelled while its base was checked.")
            raise DetachedError("The worker lets go of the base's checks, which go on.")
        return found


def task_of(policy: Policy, checks: Sequence[Sequence[str]], base_sha: str, head_sha: str) -> Task:
    """What a container is asked that runs checks on a commit."""
    return Task(
        mode="verify",
        base_sha=base_sha,
        head_sha=head_sha,
        checks=tuple(tuple(check) for check in checks),
        check_timeout_seconds=policy.check_timeout_seconds,
        gateway=True,
    )


def told(failure: Failure, index: int) -> dict[str, Any]:
    """A failure on the base, as the run's record has it."""
    assert failure.base is not None  # noqa: S101 - only what was tried is told
    end = check_ends.end_of(failure.base)
    return {
        "index": index,
        "argv": list(failure.argv),
        "end": str(end),
        "how": check_ends.how(failure.base),
        "same": failure.cannot_pass,
        "passed": end is CheckEnd.PASSED,
    }
