"""`bin/bench workspaces`: what one run costs in containers, by the repository's size.

Product and floor in one run: a prepared base and its overlays beside `git worktree add`, a step's
container beside `docker run true`. Medians over the rounds; the agent does one small edit.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from paid.bench.figures import median, show
from paid.bench.journal import journalled_folder
from paid.containers.contract import Limits, StepSpec
from paid.containers.engine import DockerEngine
from paid.containers.images import Images
from paid.containers.reports import ReportReader
from paid.containers.task import Task, write_task
from paid.containers.workspace import Workspaces
from paid.settings import load_settings

Seconds = dict[str, list[float]]


class Round:
    """A repository of some size, its mirror, and an installation of its own."""

    def __init__(self, folder: Path, files: int) -> None:
        self._source, self._mirror = folder / "source", folder / "mirror.git"
        self._folder = folder
        settings = load_settings().changed(data_dir=folder / "data")
        self._data_dir = settings.data_dir
        self._engine = DockerEngine(settings)
        self._image = Images(settings).build_base()
        self._workspaces = Workspaces(self._engine, settings, self._image)
        self._limits = Limits()
        self._make_repository(files)
        self._base = self._git("rev-parse", "HEAD")
        self.seconds: Seconds = {}
        self._run_id = 0

    def measure(self, rounds: int) -> dict[str, float]:
        """The medians, by step."""
        self._workspaces.overlays_work()
        with self._timed("base, checked out"):
            self._workspaces.prepare_base(1, self._mirror, self._base)
        for number in range(rounds):
            self._one_run()
            self._floor(number)
        self._move_on()
        with self._timed("base, moved on"):
            self._workspaces.prepare_base(1, self._mirror, self._git("rev-parse", "HEAD"))
        self._engine.close()
        return {name: median(values) for name, values in self.seconds.items()}

    def _one_run(self) -> None:
        self._run_id += 1
        with self._timed("workspace"):
            volume = self._workspaces.create(self._run_id, 1, self._mirror, self._base)
        task = Task(
            mode="agent",
            argv=("sh", "-c", "echo x >> folder0/file0.txt"),
            branch=f"paid/issue-1-{self._run_id}",
            base_sha=self._base,
        )
        name, head = self._agent(task, volume)
        with self._timed("bundle"):
            bundle = self._folder / "run.bundle"
            self._workspaces.bundle(self._run_id, name, bundle, 10**8)
        with self._timed("container removed"):
            self._engine.remove(name)
        self._git("fetch", "--quiet", str(bundle), task.branch, at=self._mirror)
        self._verify(head)
        with self._timed("workspace removed"):
            self._workspaces.remove(self._run_id)

    def _agent(self, task: Task, volume: str) -> tuple[str, str]:
        """Run the agent; its container's name and its head."""
        spec = self._spec("agent", task, volume)
        began = perf_counter()
        self._engine.start(spec)
        self._note("container started", began)
        reader, head = ReportReader(self._engine.report_key(spec.name)), ""
        for line in self._engine.follow(spec.name):
            report = reader.read(line.text)
            if report is not None and report.name == "started":
                began = self._note("started to agent", began)
            elif report is not None and report.name == "agent_exit":
                began = perf_counter()
            elif report is not None and report.name == "collected":
                head = str(report.fields["head"])
                began = self._note("agent's end to bundle", began)
        self._engine.wait(spec.name, 10)
        self._note("bundle to container's end", began)
        return spec.name, head

    def _verify(self, head: str) -> None:
        began = perf_counter()
        volume = self._workspaces.create_verify(self._run_id, 1, 1, self._mirror, self._base)
        task = Task(mode="verify", base_sha=self._base, head_sha=head, checks=(("true",),))
        spec = self._spec("verify", task, volume)
        self._engine.start(spec)
        for _ in self._engine.follow(spec.name):
            continue
        self._engine.remove(spec.name)
        self._workspaces.remove_verify(self._run_id, 1)
        self._note("verify, in all", began)

    def _floor(self, number: int) -> None:
        tree = self._folder / f"tree-{number}"
        with self._timed("floor: git worktree add"):
            self._git("worktree", "add", "--quiet", "--detach", str(tree), self._base)
        self._git("worktree", "remove", "--force", str(tree))
        command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "true"]
        with self._timed("floor: docker run true"):
            subprocess.run([*command, self._image], check=True)

    def _spec(self, kind: Any, task: Task, volume: str) -> StepSpec:
        folder = write_task(self._data_dir, self._run_id, kind, 1, task, self._limits)
        return StepSpec(
            self._run_id, kind, 1, self._image, folder, volume=volume, mirror=self._mirror
        )

    def _make_repository(self, files: int) -> None:
        self._source.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        for number in range(files):
            place = self._source / f"folder{number // 100}"
            place.mkdir(exist_ok=True)
            (place / f"file{number}.txt").write_text(f"file {number}\n" * 20, encoding="utf-8")
        self._commit("Begin")
        self._git("clone", "--quiet", "--bare", str(self._source), str(self._mirror))

    def _move_on(self) -> None:
        for number in range(20):
            (self._source / f"new{number}.txt").write_text("new\n", encoding="utf-8")
        self._commit("Move on")
        branches = "+refs/heads/main:refs/heads/main"
        self._git("fetch", "--quiet", str(self._source), branches, at=self._mirror)

    def _commit(self, message: str) -> None:
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)

    def _git(self, *argv: str, at: Path | None = None) -> str:
        who = ("-c", "user.name=Bench", "-c", "user.email=bench@localhost")
        command = ["git", *who, "-c", "gc.auto=0", *argv]
        return subprocess.run(
            command, cwd=at or self._source, check=True, capture_output=True, text=True
        ).stdout.strip()

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = perf_counter()
        yield
        self._note(name, began)

    def _note(self, name: str, began: float) -> float:
        self.seconds.setdefault(name, []).append(perf_counter() - began)
        return perf_counter()


def main(arguments: Sequence[str]) -> int:
    """Measure at each size and show the medians in seconds."""
    parser = argparse.ArgumentParser(prog="bin/bench workspaces")
    parser.add_argument("--files", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    rows: dict[str, dict[str, float]] = {}
    with journalled_folder() as (folder, own_disk):
        for files in chosen.files:
            measured = Round(folder / str(files), files).measure(chosen.rounds)
            for name, seconds in measured.items():
                rows.setdefault(name, {})[f"{files:,} files"] = seconds
    extra = {"rounds": chosen.rounds, "journalled file system of its own": own_disk}
    show("Seconds of a run's container work", rows, as_json=chosen.json, extra=extra)
    return 0
