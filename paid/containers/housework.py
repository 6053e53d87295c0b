"""Short steps that belong to no run: try an overlay, remove what only a container may remove."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from paid.containers import folders
from paid.containers.contract import Engine, Limits, Overlay, StepSpec
from paid.containers.installation_work import at_work
from paid.containers.steps import run_step
from paid.containers.task import Task, write_task
from paid.errors import (
    ContainerError,
    DiskFullError,
    DockerUnavailableError,
    ImageMissingError,
)

SECONDS = 120.0


class Housework:
    """Does them on one engine, in one image."""

    def __init__(self, engine: Engine, data_dir: Path, image: str, limits: Limits) -> None:
        self._engine = engine
        self._data_dir = data_dir
        self._image = image
        self._limits = limits

    def remove(self, folder: Path) -> None:
        """Remove a folder that containers wrote in.

        Root and the containers' user can do it; any other has a container empty it first.
        """
        if folders.remove_tree(folder):
            return
        for name in ("upper", "lower"):
            for place in folder.glob(f"**/{name}"):
                self._step("empty", base_folder=place)
        if not folders.remove_tree(folder):
            raise ContainerError(f"{folder} cannot be removed.", hint="Remove it as root.")

    def overlay_works(self, place: Path) -> bool:
        """Whether the engine can mount an overlay of folders in `place`, and a container write.

        Not for a host that is not root: where something is deleted, the kernel keeps a device of
        root's in a folder that nobody else may enter, so the workspace could not be removed.
        """
        if os.geteuid() != 0:
            return False
        with at_work(self._data_dir):
            return self._mounts_overlay(place)

    def _mounts_overlay(self, place: Path) -> bool:
        volume = f"paid-try-{secrets.token_hex(4)}"
        folders.remove_tree(place)
        for name in ("lower", "upper", "work"):
            folders.give_to_container(place / name)
        overlay = Overlay((place / "lower",), place / "upper", place / "work")
        try:
            self._engine.create_volume(volume, 0, overlay)
            self._step("probe", volume=volume)
            return (place / "upper" / "steps").is_dir()
        except (DockerUnavailableError, ImageMissingError, DiskFullError):
            raise  # these say nothing about overlays
        except ContainerError:
            return False
        finally:
            with suppress(ContainerError):
                self._engine.remove_volume(volume)
                self.remove(place)

    def _step(self, mode: str, volume: str | None = None, base_folder: Path | None = None) -> None:
        with at_work(self._data_dir):
            self._run(mode, volume, base_folder)

    def _run(self, mode: str, volume: str | None, base_folder: Path | None) -> None:
        number = secrets.randbelow(2**48)
        spec = StepSpec(
            run_id=0,
            kind="probe",
            number=number,
            image=self._image,
            task_folder=write_task(
                self._data_dir, 0, "probe", number, Task(mode=mode), self._limits
            ),
            volume=volume,
            base_folder=base_folder,
            limits=self._limits,
        )
        try:
            run_step(self._engine, spec, SECONDS)
        finally:
            folders.remove_tree(spec.task_folder)
