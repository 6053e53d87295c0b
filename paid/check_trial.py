"""Tries a project's checks on its base, as a run would, but without an agent and without a run."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from paid.activities.base_checks import task_of
from paid.activities.parts import Host, limits_of
from paid.check_ends import Report
from paid.containers.contract import StepSpec
from paid.containers.images import agent_image_ref
from paid.containers.locks import held
from paid.containers.reports import ReportReader
from paid.containers.task import write_task
from paid.errors import BadInputError, ContainerError
from paid.gateway.trial import Trial, trial_gateway
from paid.models import Policy, Project
from paid.store import base_checks, denials, projects

INSTALLATION = 0
"""The run id of what belongs to no run."""
SPARE_SECONDS = 300.0
"""For the container's own work, beside the time that the checks may take."""


@dataclass(frozen=True)
class Tried:
    """One check on the base."""

    argv: tuple[str, ...]
    report: Report


class CheckTrial:
    """The checks of one project, on this host."""

    def __init__(self, host: Host, project: Project, policy: Policy) -> None:
        if not policy.checks:
            raise BadInputError(
                f"{project.full_name} has no checks.",
                hint="Set one: `paid project set PROJECT --check 'npm ci && npm test'`.",
            )
        self._host, self._project, self._policy = host, project, policy
        self._project_id = projects.number(project)
        self._number = secrets.randbelow(2**31)

    def base_sha(self) -> str:
        """The tip of the default branch, as GitHub has it now."""
        self._host.mirrors.fetch(self._host.remote(self._project))
        return self._host.mirrors.base_sha(self._project_id, self._project.default_branch)

    def run(self, base_sha: str, tell: Callable[[Tried], None]) -> list[Tried]:
        """Run each check, and tell of it when it has ended; runs on this base will know it."""
        host = self._host
        # as the lock of the installation's own work, whose orphans go when nobody holds it
        with (
            held(host.settings.data_dir / "workspaces" / "housework.lock", shared=True),
            trial_gateway(host.settings, self._policy.egress_hosts) as gateway,
        ):
            spec = self._spec(base_sha, gateway)
            try:
                host.engine.start(spec)
                found = self._read(spec.name, gateway, tell)
            finally:
                host.engine.remove(spec.name)
                host.workspaces.remove_verify(INSTALLATION, self._number)
        self._keep(base_sha, found)
        return found

    def _spec(self, base_sha: str, gateway: Trial) -> StepSpec:
        host, limits = self._host, limits_of(self._policy)
        mirror = host.mirrors.path(self._project_id)
        volume = host.workspaces.create_verify(
            INSTALLATION, self._number, self._project_id, mirror, base_sha
        )
        task = task_of(self._policy, self._policy.checks, base_sha, base_sha)
        folder = write_task(
            host.settings.data_dir, INSTALLATION, "verify", self._number, task, limits
        )
        return StepSpec(
            run_id=INSTALLATION,
            kind="verify",
            number=self._number,
            image=agent_image_ref(self._project.agent),
            task_folder=folder,
            volume=volume,
            mirror=mirror,
            gateway=gateway.folder,
            run_token=gateway.token,
            limits=limits,
        )

    def _read(self, name: str, gateway: Trial, tell: Callable[[Tried], None]) -> list[Tried]:
        found: list[Tried] = []
        seconds = SPARE_SECONDS + self._policy.check_timeout_seconds * len(self._policy.checks)
        clock = threading.Timer(seconds, self._host.engine.kill, [name])
        clock.daemon = True
        clock.start()
        try:
            for report in self._reports(name):
                denied = [denials.Denied(host, recent=True) for host in gateway.denied]
                argv = tuple(self._policy.checks[int(report["index"])])
                found.append(Tried(argv, denials.attributed(report, denied)))
                tell(found[-1])
        finally:
            clock.cancel()
        if len(found) < len(self._policy.checks):
            raise ContainerError(
                "The container ended before every check had run.",
                hint="Its memory or its process limit may be too small: `paid project set`.",
            )
        return found

    def _reports(self, name: str) -> Iterator[dict[str, Any]]:
        reader = ReportReader(self._host.engine.report_key(name))
        with self._host.engine.follow(name) as stream:
            for line in stream:
                report = reader.read(line.text)
                if report is not None and report.name == "check":
                    yield dict(report.fields)

    def _keep(self, base_sha: str, found: Sequence[Tried]) -> None:
        image = agent_image_ref(self._project.agent)
        told = {base_checks.key(one.argv, self._policy, image): one.report for one in found}
        with self._host.database.session() as session:
            base_checks.keep(session, self._project_id, base_sha, told)
