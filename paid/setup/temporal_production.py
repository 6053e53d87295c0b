"""The production Temporal server and its schema tool, so that temporal-config/ can be tried."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paid.setup import go_tools

VERSION = "1.29.1"
MODULE = "go.temporal.io/server"
SCHEMAS = ("temporal", "visibility")


@dataclass(frozen=True)
class Installation:
    """The programs, and the folder with the versioned schemas for PostgreSQL."""

    server: Path
    sql_tool: Path
    schema: Path


def installed(cache_dir: Path) -> Installation | None:
    """The installation in the cache, or None."""
    folder = cache_dir / "bin" / f"temporal-server-{VERSION}"
    found = Installation(folder / "server", folder / "sql", folder / "schema")
    complete = found.server.exists() and found.sql_tool.exists() and found.schema.exists()
    return found if complete else None


def ensure(cache_dir: Path, say: Callable[[str], None]) -> Path:
    """Build it if it is not there; returns its folder."""
    folder = cache_dir / "bin" / f"temporal-server-{VERSION}"
    if installed(cache_dir) is None:
        say("building it with go, which takes some minutes")
        programs = [f"{MODULE}/cmd/{name}@v{VERSION}" for name in ("server", "tools/sql")]
        go_tools.install(folder, *programs)
        schema = go_tools.module_folder(f"{MODULE}@v{VERSION}") / "schema" / "postgresql" / "v12"
        for name in SCHEMAS:
            _copy_writable(schema / name / "versioned", folder / "schema" / name)
    return folder


def _copy_writable(source: Path, target: Path) -> None:
    """Go's module folder is read-only; a copy with its modes could not be removed again."""
    for file in source.rglob("*"):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
