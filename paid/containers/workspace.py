"""Workspaces: an overlay of a run's own changes on a prepared checkout of its base.

    data_dir/workspaces/bases/PROJECT/SHA/lower    clone and worktree; never written once `ready`
    data_dir/workspaces/runs/RUN/PURPOSE/upper     what the run's containers wrote
    data_dir/workspaces/runs/RUN/PURPOSE/base      which base it stands on, so that it stays

Only containers write in `lower` and `upper`, only the host elsewhere, and the host runs no program
on them but `rm`. Where the engine cannot mount overlays of these folders, a plain volume takes
their place and paid-step makes the clone in it: the same workspace, later.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from paid.containers import archive, folders
from paid.containers.bases import KEPT_BASES, LAYERS, Bases
from paid.containers.contract import GIBIBYTE, Engine, Limits, Overlay
from paid.containers.housework import Housework
from paid.containers.images import base_image_ref
from paid.containers.installation_work import remove_orphans, try_folder
from paid.containers.task import remove_tasks
from paid.errors import DiskFullError
from paid.settings import Settings

RESERVE_BYTES = 3 * GIBIBYTE
"""A new run wants more room than the guard (disk.py) leaves to those that run."""
RESERVE_INODES = 100_000
BUNDLE = "out/run.bundle"
MAIN = "main"


class Workspaces:
    """The workspaces of one host."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        image: str | None = None,
        limits: Limits | None = None,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        reserve_inodes: int = RESERVE_INODES,
    ) -> None:
        self._engine = engine
        self._reserve_bytes, self._reserve_inodes = reserve_bytes, reserve_inodes
        self._data_dir = settings.data_dir
        image, limits = image or base_image_ref(), limits or Limits()
        self.folder = settings.data_dir / "workspaces"
        self._bases = Bases(engine, settings.data_dir, image, limits)
        self._housework = Housework(engine, settings.data_dir, image, limits)
        self._lock = threading.Lock()
        self._overlays: bool | None = None

    def prepare_base(self, project_id: int, mirror: Path, base_sha: str) -> None:
        """Make the base if overlays work here; a warm-up that `create` does not depend on."""
        if self.overlays_work():
            self._bases.prepare(project_id, mirror, base_sha)

    def create(self, run_id: int, project_id: int, mirror: Path, base_sha: str) -> str:
        """The run's workspace, made at the first call; returns the volume's name."""
        return self._create(run_id, MAIN, project_id, mirror, base_sha)

    def volume(self, run_id: int) -> str:
        """The name of the volume that `create` makes."""
        return self._volume(run_id, MAIN)

    def create_verify(
        self, run_id: int, number: int, project_id: int, mirror: Path, base_sha: str
    ) -> str:
        """A workspace that no agent has touched, for one verification; returns its volume."""
        return self._create(run_id, f"verify-{number}", project_id, mirror, base_sha)

    def bundle(self, run_id: int, container: str, into: Path, max_bytes: int) -> Path:
        """Fetch the bundle that the run's `container` left, as a regular file of bounded size."""
        upper = self._place(run_id, MAIN) / "upper"
        if upper.is_dir():
            try:
                archive.copy_regular(upper, BUNDLE, into, max_bytes)
                return into
            except PermissionError:
                # This host's user may not read what the container's wrote; the engine may.
                pass
        self._engine.copy_out(container, f"/workspace/{BUNDLE}", into, max_bytes)
        return into

    def remove(self, run_id: int) -> None:
        """Remove all of the run's volumes and folders; its containers must be gone."""
        for volume in self._engine.owned_volumes():
            if volume.run_id == run_id:
                self._engine.remove_volume(volume.name)
        self._housework.remove(self.folder / "runs" / str(run_id))
        remove_tasks(self._data_dir, run_id)

    def remove_verify(self, run_id: int, number: int) -> None:
        """Remove one verification's workspace."""
        purpose = f"verify-{number}"
        self._engine.remove_volume(self._volume(run_id, purpose))
        self._housework.remove(self._place(run_id, purpose))

    def remove_orphans(self) -> list[str]:
        """Remove what a killed process left of work that belongs to no run; what was removed."""
        removed, places = remove_orphans(self._engine, self._data_dir, LAYERS)
        for place in places:
            self._housework.remove(place)
        return removed + [place.name for place in places]

    def run_ids(self) -> set[int]:
        """The runs that have a folder here."""
        places = [self.folder / "runs", self._data_dir / "runs"]
        found = {entry.name for place in places if place.is_dir() for entry in place.iterdir()}
        return {int(name) for name in found if name.isdigit()} - {0}

    def upper_folder(self, run_id: int) -> Path:
        """Where the run's own files are, on an engine that mounts overlays."""
        return self.folder / "runs" / str(run_id)

    def prune_bases(self, keep: int = KEPT_BASES) -> int:
        """Remove bases that no workspace stands on, those unused for longest first."""
        return self._bases.prune(self._lowers_in_use(), keep)

    def overlays_work(self) -> bool:
        """Whether the engine can mount an overlay of our folders; tried once in a process."""
        with self._lock:
            if self._overlays is None:
                self._overlays = self._housework.overlay_works(try_folder(self._data_dir))
            return self._overlays

    def _create(
        self, run_id: int, purpose: str, project_id: int, mirror: Path, base_sha: str
    ) -> str:
        self._check_disk()
        volume = self._volume(run_id, purpose)
        if not self.overlays_work():
            self._engine.create_volume(volume, run_id)
            return volume
        place = self._place(run_id, purpose)
        record = place / "base"
        with self._bases.kept():
            layers = self._bases.prepare(project_id, mirror, base_sha)
            place.mkdir(parents=True, exist_ok=True)
            if not record.exists():
                record.write_text("\n".join(map(str, layers)), encoding="utf-8")
        self._engine.create_volume(volume, run_id, self._overlay(place))
        return volume

    def _overlay(self, place: Path) -> Overlay:
        """The overlay on the recorded base; its upper folder is made at the first call."""
        lowers = _layers_of(place / "base")
        for name in ("upper", "work"):
            folders.give_to_container(place / name)
        return Overlay(lowers, place / "upper", place / "work")

    def _place(self, run_id: int, purpose: str) -> Path:
        return self.folder / "runs" / str(run_id) / purpose

    def _volume(self, run_id: int, purpose: str) -> str:
        name = f"paid-run-{run_id}"
        return name if purpose == MAIN else f"{name}-{purpose}"

    def _lowers_in_use(self) -> set[Path]:
        records = self.folder.glob("runs/*/*/base")
        return {layer for record in records for layer in _layers_of(record)}

    def _check_disk(self) -> None:
        """`folder` may be a disk of its own, apart from the rest of the data."""
        self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        facts = os.statvfs(self.folder if self.folder.is_dir() else self._data_dir)
        free = facts.f_bavail * facts.f_frsize
        few_files = facts.f_files > 0 and facts.f_favail < self._reserve_inodes
        if free < self._reserve_bytes or few_files:
            raise DiskFullError(
                f"Only {free // 1_000_000} MB and {facts.f_favail} files"
                f" are free under {self.folder}.",
                hint="Free some disk, or move the data folder (PAID_DATA_DIR) to a larger one.",
            )


def _layers_of(record: Path) -> tuple[Path, ...]:
    return tuple(map(Path, record.read_text(encoding="utf-8").split("\n")))
