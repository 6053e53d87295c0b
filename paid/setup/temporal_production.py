"""The production Temporal server and its schema tool, so that temporal-config/ can be tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paid.setup import go_tools

VERSION = "1.29.1"
MODULE = "go.temporal.io/server"


@dataclass(frozen=True)
class Installation:
    """The programs; the schemas are inside the tool."""

    server: Path
    sql_tool: Path


def installed(cache_dir: Path) -> Installation | None:
    """The installation in the cache, or None."""
    folder = _folder(cache_dir)
    found = Installation(folder / "server", folder / "sql")
    return found if found.server.exists() and found.sql_tool.exists() else None


def ensure(cache_dir: Path, say: Callable[[str], None]) -> Path:
    """Build it if it is not there; returns its folder."""
    if installed(cache_dir) is None:
        say("building it with go, which takes some minutes")
        programs = [f"{MODULE}/cmd/{name}@v{VERSION}" for name in ("server", "tools/sql")]
        go_tools.install(_folder(cache_dir), *programs, cache_dir=cache_dir)
    return _folder(cache_dir)


def _folder(cache_dir: Path) -> Path:
    return cache_dir / "bin" / f"temporal-server-{VERSION}"
