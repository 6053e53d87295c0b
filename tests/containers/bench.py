"""Runs steps in real containers, a line of Python each."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paid.containers.contract import Engine, Exit, Kind, Limits, LogLine, StepSpec
from paid.containers.reports import Report, ReportReader
from paid.containers.task import Task, write_task
from paid.containers.workspace import Workspaces
from paid.settings import Settings
from tests.waiting import HANGS_SECONDS

MEBIBYTE = 1024 * 1024
SMALL = Limits(cpus=2.0, memory_bytes=512 * MEBIBYTE, pids=128, log_bytes=8 * MEBIBYTE)


@dataclass(frozen=True)
class Repository:
    """A source repository and its bare mirror."""

    source: Path
    mirror: Path
    base_sha: str

    @classmethod
    def make(cls, folder: Path, files: int = 3) -> Repository:
        source, mirror = folder / "source", folder / "mirror.git"
        source.mkdir(parents=True)
        git(source, "init", "--quiet", "--initial-branch=main")
        for number in range(files):
            place = source / f"folder{number // 100}"
            place.mkdir(exist_ok=True)
            (place / f"file{number}.txt").write_text(f"file {number}\n")
        (source / "other").mkdir()
        (source / "other" / "file0.txt").write_text("other\n")
        (source / "README.md").write_text("A sample.\n")
        (source / "AGENTS.md").write_text("Be good.\n")
        git(source, "add", ".")
        git(source, "commit", "--quiet", "--message", "Begin")
        git(folder, "clone", "--quiet", "--bare", str(source), str(mirror))
        return cls(source, mirror, git(source, "rev-parse", "HEAD"))

    def commit(self, message: str) -> Repository:
        """Commit all of the source, bring the mirror up to date; the repository at that commit."""
        git(self.source, "add", "--all")
        git(self.source, "commit", "--quiet", "--message", message)
        git(self.mirror, "fetch", "--quiet", str(self.source), "+refs/heads/*:refs/heads/*")
        return Repository(self.source, self.mirror, git(self.source, "rev-parse", "HEAD"))


def git(folder: Path, *argv: str) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=Test", "-c", "user.email=test@example.com", *argv],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@dataclass
class Done:
    """What a step said and how it ended."""

    name: str
    exit: Exit
    reports: list[Report] = field(default_factory=list)
    lines: list[LogLine] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What the agent printed."""
        return "\n".join(line.text for line in self.lines if line.text)

    def report(self, name: str) -> Mapping[str, Any]:
        """The fields of the last report of this name."""
        return [report.fields for report in self.reports if report.name == name][-1]

    @property
    def names(self) -> list[str]:
        return [report.name for report in self.reports]


class Bench:
    """One run's steps on an engine."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        image: str,
        repository: Repository,
        run_id: int,
        project_id: int = 1,
    ) -> None:
        self.project_id = project_id
        self.engine = engine
        self.settings = settings
        self.image = image
        self.repository = repository
        self.run_id = run_id
        self.workspaces = Workspaces(engine, settings, image, SMALL)
        self.branch = f"paid/issue-1-{run_id}"
        self.names: set[str] = set()

    def spec(self, kind: Kind, number: int, task: Task, **changes: Any) -> StepSpec:
        """The specification of a step, with its task written."""
        task = dataclasses.replace(
            task,
            branch=task.branch or self.branch,
            base_sha=task.base_sha or self.repository.base_sha,
        )
        limits = changes.get("limits", SMALL)
        spec = StepSpec(
            run_id=self.run_id,
            kind=kind,
            number=number,
            image=self.image,
            task_folder=write_task(self.settings.data_dir, self.run_id, kind, number, task, limits),
            volume=self.volume(),
            mirror=self.repository.mirror,
            run_token="run-token",
            limits=limits,
        )
        self.names.add(spec.name)
        return dataclasses.replace(spec, **changes)

    def volume(self) -> str:
        return self.workspaces.create(
            self.run_id, self.project_id, self.repository.mirror, self.repository.base_sha
        )

    def agent(self, *argv: str, number: int = 1, limits: Limits = SMALL, **task: Any) -> Done:
        """Run an agent to its end."""
        spec = self.spec("agent", number, Task(mode="agent", argv=argv, **task), limits=limits)
        return self.run(spec)

    def shell(self, script: str, **options: Any) -> Done:
        """Run a shell script as the agent."""
        return self.agent("sh", "-c", script, **options)

    def python(self, script: str, **options: Any) -> Done:
        """Run a Python program as the agent."""
        return self.agent("python3", "-c", script, **options)

    def collect(self, number: int = 1) -> Done:
        return self.run(self.spec("collect", number, Task(mode="collect")))

    def run(self, spec: StepSpec, seen: Callable[[LogLine], None] | None = None) -> Done:
        self.engine.start(spec)
        return self.read(spec.name, seen)

    def read(self, name: str, seen: Callable[[LogLine], None] | None = None) -> Done:
        """Follow a step to its end."""
        reader = ReportReader(self.engine.report_key(name))
        reports, lines = [], []
        with self.engine.follow(name) as log:
            for line in log:
                report = reader.read(line.text)
                if report is not None:
                    reports.append(report)
                elif seen is not None:
                    seen(line)
                else:
                    lines.append(line)
        ended = self.engine.wait(name, HANGS_SECONDS)
        assert ended is not None
        return Done(name, ended, reports, lines)

    def bundle(self, name: str, into: Path) -> Path:
        return self.workspaces.bundle(self.run_id, name, into, 10 * MEBIBYTE)

    def head_of(self, bundle: Path) -> str:
        """Fetch a bundle into the source repository and return its head."""
        reference = f"refs/heads/{self.branch}"
        git(
            self.repository.source,
            "fetch",
            "--quiet",
            str(bundle),
            f"+{reference}:refs/runs/{self.run_id}",
        )
        return git(self.repository.source, "rev-parse", f"refs/runs/{self.run_id}")

    def clear(self) -> None:
        for name in self.names:
            self.engine.remove(name)
        self.workspaces.remove(self.run_id)
