"""A program that makes workspaces, and is killed right before one of its calls to the engine."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from paid.containers.engine import DockerEngine
from paid.containers.workspace import Workspaces
from paid.settings import Settings
from tests.containers.bench import SMALL


class MortalEngine(DockerEngine):
    """Dies before the call that it is told of."""

    def __init__(self, settings: Settings, last_call: str) -> None:
        super().__init__(settings)
        self._last_call = last_call

    def _call(self, action: str, *arguments: Any, **options: Any) -> None:
        self._perhaps_die(action)
        super()._call(action, *arguments, **options)

    def remove(self, name: str) -> None:
        self._perhaps_die("remove")
        super().remove(name)

    def _perhaps_die(self, action: str) -> None:
        if action == self._last_call:
            os.kill(os.getpid(), signal.SIGKILL)


class CertainOfOverlays(Workspaces):
    """Does not try them."""

    def overlays_work(self) -> bool:
        return True


def main(data_dir: str, image: str, mirror: str, base_sha: str, last_call: str, work: str) -> None:
    settings = Settings(data_dir=Path(data_dir))
    kind = Workspaces if work == "overlay" else CertainOfOverlays
    workspaces = kind(MortalEngine(settings, last_call), settings, image, SMALL)
    workspaces.prepare_base(1, Path(mirror), base_sha)


if __name__ == "__main__":
    main(*sys.argv[1:])
