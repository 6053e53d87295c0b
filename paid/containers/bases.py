"""Prepared checkouts: one for each base commit, the lower layer of every workspace on it."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paid.containers import folders
from paid.containers.contract import Engine, Limits, StepSpec
from paid.containers.image.paid_step.repository import SHA
from paid.containers.locks import held
from paid.containers.steps import run_step
from paid.containers.task import Task, task_folder, write_task
from paid.errors import BadInputError

PREPARE_SECONDS = 900.0
KEPT_BASES = 20


class Bases:
    """The bases under one folder; each is made once, by a container, and never changed."""

    def __init__(self, engine: Engine, data_dir: Path, image: str, limits: Limits) -> None:
        self._engine = engine
        self._data_dir = data_dir
        self._folder = data_dir / "workspaces" / "bases"
        self._image = image
        self._limits = limits

    def prepare(self, project_id: int, mirror: Path, base_sha: str) -> Path:
        """The lower folder of this base; makes it if it is missing. Waits for another maker."""
        place = self._place(project_id, base_sha)
        ready = place / "ready"
        if not ready.exists():
            with held(place.with_name(f"{base_sha}.lock")):
                if not ready.exists():
                    self._make(project_id, mirror, base_sha, place)
                    ready.touch()
        os.utime(ready)
        return place / "lower"

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Nothing is pruned inside this block: for the time between finding and recording."""
        with held(self._folder / "prune.lock", shared=True):
            yield

    def prune(self, in_use: set[Path], keep: int = KEPT_BASES) -> int:
        """Remove the bases that were not used for longest; never one of `in_use` (lowers).

        Returns how many were removed.
        """
        with held(self._folder / "prune.lock"):
            candidates = sorted(
                self._folder.glob("*/*/ready"), key=lambda file: file.stat().st_mtime
            )
            spare = [file.parent for file in candidates if file.parent / "lower" not in in_use]
            doomed = spare[: max(0, len(candidates) - keep)]
            for place in doomed:
                (place / "ready").unlink()
        for place in doomed:
            folders.remove_tree(place)
        return len(doomed)

    def _place(self, project_id: int, base_sha: str) -> Path:
        if not re.fullmatch(SHA, base_sha):
            raise BadInputError(f"{base_sha!r} is not the name of a commit.")
        return self._folder / str(project_id) / base_sha

    def _make(self, project_id: int, mirror: Path, base_sha: str, place: Path) -> None:
        """Run the container that makes the clone and its worktree in an empty folder."""
        lower = place / "lower"
        digest = hashlib.sha256(f"{place}".encode()).hexdigest()
        number = int(digest[:12], 16)
        spec = StepSpec(
            run_id=0,
            kind="base",
            number=number,
            image=self._image,
            task_folder=task_folder(self._data_dir, 0, "base", number),
            base_folder=lower,
            mirror=mirror,
            limits=self._limits,
        )
        # What an earlier, killed attempt left is of no use: neither its files nor its container.
        self._engine.remove(spec.name)
        folders.remove_tree(lower)
        folders.give_to_container(lower)
        task = Task(mode="base", base_sha=base_sha)
        write_task(self._data_dir, 0, "base", number, task, self._limits)
        run_step(self._engine, spec, PREPARE_SECONDS)
        folders.remove_tree(spec.task_folder)
