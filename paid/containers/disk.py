"""Keeps one run from filling the disk for all.

Docker can limit a volume's size only on some file systems (`--storage-opt size` wants XFS with
project quotas). So the host watches what is left, which costs microseconds, and when it runs low
ends the run that holds most. The largest file that a container can write is bounded besides.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from paid.containers.contract import GIBIBYTE, Engine
from paid.containers.workspace import Workspaces
from paid.errors import PaidError

RESERVE_BYTES = 2 * GIBIBYTE
RESERVE_INODES = 50_000
LOOK_SECONDS = 0.5
MEASURE_SECONDS = 60.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Ended:
    """A run whose containers were killed because it held the most of a disk that ran full.

    `held` counts in `unit`: bytes, or files where those run out first.
    """

    run_id: int
    held: int
    unit: str


class DiskGuard:
    """A thread of the worker; `start` and `stop` frame the worker's life.

    `on_ended` is called just before the kill, so that whoever sees the end finds the reason.
    """

    def __init__(
        self,
        engine: Engine,
        workspaces: Workspaces,
        on_ended: Callable[[Ended], None] | None = None,
        reserve_bytes: int = RESERVE_BYTES,
        reserve_inodes: int = RESERVE_INODES,
    ) -> None:
        self._engine = engine
        self._workspaces = workspaces
        self._on_ended = on_ended
        self._reserve_bytes = reserve_bytes
        self._reserve_inodes = reserve_inodes
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="disk-guard", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread has."""
        self._stop.set()
        self._thread.join()

    def look(self) -> Ended | None:
        """Look once; the run that was ended, or None while there is room."""
        unit = self._what_is_low()
        if unit is None:
            return None
        running = {item.run_id for item in self._engine.owned() if item.state == "running"}
        folder = self._workspaces.upper_folder
        sizes = {run_id: _held(folder(run_id), unit) for run_id in running - {0}}
        if not sizes:
            return None
        largest = max(sizes, key=sizes.__getitem__)
        ended = Ended(largest, sizes[largest], unit)
        if self._on_ended is not None:
            self._on_ended(ended)
        for item in self._engine.owned():
            if item.run_id == largest:
                self._engine.kill(item.name)
        return ended

    def _what_is_low(self) -> str | None:
        try:
            facts = os.statvfs(self._workspaces.folder)
        except FileNotFoundError:
            return None
        if facts.f_bavail * facts.f_frsize < self._reserve_bytes:
            return "bytes"
        # A file system without a fixed number of inodes says 0 of 0.
        if facts.f_files > 0 and facts.f_favail < self._reserve_inodes:
            return "files"
        return None

    def _keep(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                ended = self.look()
            except (PaidError, OSError) as error:
                _log.warning("disk_guard.interrupted", error=str(error))
                continue
            if ended is not None:
                _log.error(
                    "disk_guard.ended_run", run=ended.run_id, held=ended.held, unit=ended.unit
                )


def _held(folder: Path, unit: str) -> int:
    """The bytes or the files under a folder."""
    counted = "--inodes" if unit == "files" else "--block-size=1"
    done = subprocess.run(
        ["du", "--summarize", counted, "--one-file-system", "--", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=MEASURE_SECONDS,
    )
    first = done.stdout.partition("\t")[0]
    return int(first) if first.isdigit() else 0
