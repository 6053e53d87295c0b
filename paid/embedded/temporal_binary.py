"""Where the `temporal` program is: one on PATH, or one that bin/setup got."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from paid.errors import EmbeddedServiceError
from paid.settings import load_settings

PINNED = "1.5.1"
"""What bin/setup builds; later tags have a replace directive, which `go install` refuses."""


def pinned_path(cache_dir: Path) -> Path:
    """Where bin/setup puts what it builds or downloads."""
    return cache_dir / "bin" / f"temporal-{PINNED}" / "temporal"


def find(cache_dir: Path | None = None) -> Path:
    """The program to run; raises EmbeddedServiceError when there is none.

    Set-up's comes first, because it is the version that was tried; None means the user's cache.
    """
    cache_dir = cache_dir or load_settings().cache_dir
    pinned = pinned_path(cache_dir)
    if pinned.is_file():
        return pinned
    on_path = shutil.which("temporal")
    if on_path is not None:
        return Path(on_path)
    others = sorted(cache_dir.glob("bin/temporal-*/temporal"), key=_version)
    if others:
        return others[-1]
    raise EmbeddedServiceError("The Temporal server was not found.", hint="Run bin/setup.")


def _version(binary: Path) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", binary.parent.name)]
