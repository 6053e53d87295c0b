"""Servers that are built from Go modules where nothing ready-made can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from paid.setup import pinned_tools
from paid.setup.npm import DownloadError


def install(into: Path, *packages: str, cache_dir: Path) -> None:
    """Build programs, given as import path@version, into a folder; go verifies what it gets.

    The build cache, gigabytes for minutes of use, is a temporary one.
    """
    go = pinned_tools.go(cache_dir)
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=into.parent, prefix="go-build-") as work:
        built = Path(work) / "bin"
        environment = {**os.environ, "GOBIN": str(built), "GOCACHE": str(Path(work) / "cache")}
        argv = [go, "install", "-trimpath", "-ldflags=-s -w", *packages]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise DownloadError(
                f"go could not build {packages[0]}: {done.stderr.strip()[-800:]}",
                hint="See what `go install` says, then run bin/setup again.",
            )
        shutil.rmtree(into, ignore_errors=True)
        built.rename(into)
