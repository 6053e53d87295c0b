"""Prepared checkouts: one for each base commit, the lower layers of every workspace on it.

    PROJECT/SHA/lower    what this base's container wrote
    PROJECT/SHA/layers   the folders that make the base together, the topmost first, one a line;
                         there when the base is whole, and its time is that of the last use

The first base of a project is a checkout. A later one is a layer over one that is there: only what
differs between the two commits is written, so that a moved branch costs what moved.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paid.containers import folders
from paid.containers.changes import SHA
from paid.containers.contract import Engine, Limits, Overlay, StepSpec
from paid.containers.housework import Housework
from paid.containers.installation_work import at_work
from paid.containers.locks import held
from paid.containers.steps import run_step
from paid.containers.task import Task, task_folder, write_task
from paid.errors import BadInputError, ContainerError, DockerUnavailableError, GitUnavailableError

PREPARE_SECONDS = 900.0
KEPT_BASES = 20
LAYERS = "layers"
MOST_LAYERS = 8
"""More make each look-up slower, and mount(2) takes 4096 bytes of options."""

Layers = tuple[Path, ...]


class Bases:
    """The bases under one folder; each is made once, by a container, and never changed."""

    def __init__(self, engine: Engine, data_dir: Path, image: str, limits: Limits) -> None:
        self._engine = engine
        self._data_dir = data_dir
        self._folder = data_dir / "workspaces" / "bases"
        self._image = image
        self._limits = limits
        self._housework = Housework(engine, data_dir, image, limits)

    def prepare(self, project_id: int, mirror: Path, base_sha: str) -> Layers:
        """The layers of this base; makes it if it is missing. Waits for another maker."""
        place = self._place(project_id, base_sha)
        if not (place / LAYERS).exists():
            with held(place.with_name(f"{base_sha}.lock")):
                if not (place / LAYERS).exists():
                    self._make(mirror, base_sha, place)
        layers = _layers(place)
        for layer in layers:
            os.utime(layer.parent / LAYERS)
        return layers

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Nothing is pruned inside this block: for the time between finding and recording."""
        with held(self._folder / "prune.lock", shared=True):
            yield

    def prune(self, in_use: set[Path], keep: int = KEPT_BASES) -> int:
        """Remove the bases that were not used for longest; never one with a layer of `in_use`.

        A base on which another one lies goes after that one. Returns how many were removed: none
        while a base is being made.
        """
        doomed: list[Path] = []
        with suppress(GitUnavailableError), held(self._folder / "prune.lock", wait_seconds=0):
            places = _by_use(self._folder.glob(f"*/*/{LAYERS}"))
            needed = in_use | {layer for place in places for layer in _layers(place)[1:]}
            spare = [place for place in places if place / "lower" not in needed]
            doomed = spare[: max(0, len(places) - keep)]
            for place in doomed:
                (place / LAYERS).unlink()
        for place in doomed:
            self._housework.remove(place)
        return len(doomed)

    def _place(self, project_id: int, base_sha: str) -> Path:
        if not re.fullmatch(SHA, base_sha):
            raise BadInputError(f"{base_sha!r} is not the name of a commit.")
        return self._folder / str(project_id) / base_sha

    def _make(self, mirror: Path, base_sha: str, place: Path) -> None:
        """As a layer over another base of the project, else as a checkout."""
        below = self._newest(place.parent)
        if below:
            try:
                self._make_layer(mirror, base_sha, place, below)
                return
            except DockerUnavailableError:
                raise
            except ContainerError:
                # Whatever is wrong with the other base, a checkout does not need it.
                pass
        self._make_layer(mirror, base_sha, place, ())

    def _make_layer(self, mirror: Path, base_sha: str, place: Path, below: Layers) -> None:
        """Run the container that writes in `lower`; what an earlier, killed attempt left goes."""
        with at_work(self._data_dir):
            self._run_base(mirror, base_sha, place, below)

    def _run_base(self, mirror: Path, base_sha: str, place: Path, below: Layers) -> None:
        number = int(hashlib.sha256(os.fsencode(place)).hexdigest()[:12], 16)
        volume = f"paid-base-{number:x}" if below else None
        lower, work = place / "lower", place / "work"
        spec = StepSpec(
            run_id=0,
            kind="base",
            number=number,
            image=self._image,
            task_folder=task_folder(self._data_dir, 0, "base", number),
            volume=volume,
            base_folder=None if volume else lower,
            mirror=mirror,
            limits=self._limits,
        )
        self._clear(spec, place)
        for folder in (lower, work):
            folders.give_to_container(folder)
        if volume:
            self._engine.create_volume(volume, 0, Overlay(below, lower, work))
        task = Task(mode="base", base_sha=base_sha)
        write_task(self._data_dir, 0, "base", number, task, self._limits)
        try:
            run_step(self._engine, spec, PREPARE_SECONDS)
            _write_layers(place, (lower, *below))
        finally:
            self._engine.remove(spec.name)
            self._engine.remove_volume(f"paid-base-{number:x}")
            folders.remove_tree(spec.task_folder)

    def _clear(self, spec: StepSpec, place: Path) -> None:
        self._engine.remove(spec.name)
        self._engine.remove_volume(f"paid-base-{spec.number:x}")
        folders.remove_tree(spec.task_folder)
        self._housework.remove(place)

    def _newest(self, project: Path) -> Layers:
        """The layers of the project's base that was used last; none if there would be too many."""
        for place in reversed(_by_use(project.glob(f"*/{LAYERS}"))):
            layers = _layers(place)
            if len(layers) < MOST_LAYERS:
                return layers
        return ()


def _by_use(files: Iterable[Path]) -> list[Path]:
    """The folders of these `layers` files, those that were used last at the end."""
    return [file.parent for file in sorted(files, key=lambda file: file.stat().st_mtime)]


def _layers(place: Path) -> Layers:
    text = (place / LAYERS).read_text(encoding="utf-8")
    return tuple(map(Path, text.split("\n")))


def _write_layers(place: Path, layers: Layers) -> None:
    """Put the file in place whole: it says that the base is."""
    draft = place / f"{LAYERS}.part"
    draft.write_text("\n".join(map(str, layers)), encoding="utf-8")
    draft.replace(place / LAYERS)
