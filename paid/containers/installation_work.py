"""Work of the installation itself, which belongs to no run: trying overlays, preparing bases.

Whoever does such work holds a shared lock, which the kernel frees when the process dies. So when
the lock can be had alone, nobody is at work, and all that such work has left is an orphan.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from paid.containers.contract import Engine
from paid.containers.locks import held
from paid.containers.task import runs_folder
from paid.errors import GitUnavailableError

INSTALLATION = 0
"""The run id of what belongs to no run."""
TRY = "try-"
"""Folders of this prefix are anybody's to remove when nobody is at work."""


@contextmanager
def at_work(data_dir: Path) -> Iterator[None]:
    """What is made inside this block is no orphan as long as the block lasts."""
    with held(_lock(data_dir), shared=True):
        yield


def try_folder(data_dir: Path) -> Path:
    """A name for a folder of such work."""
    return data_dir / "workspaces" / f"{TRY}{secrets.token_hex(4)}"


def remove_orphans(engine: Engine, data_dir: Path, whole: str) -> tuple[list[str], list[Path]]:
    """Remove what killed processes left of such work; nothing while anybody is at it.

    Returns the names of containers and volumes that were removed, and the folders that are to be
    removed: that may need a container. `whole` is the file that a whole base has.
    """
    if not _has_any(engine, data_dir, whole):
        return [], []
    try:
        with held(_lock(data_dir), wait_seconds=0):
            removed = _remove_from_engine(engine)
            shutil.rmtree(_tasks(data_dir), ignore_errors=True)
            return removed, _set_aside(data_dir, whole)
    except GitUnavailableError:
        return [], []


def _has_any(engine: Engine, data_dir: Path, whole: str) -> bool:
    run_ids = {item.run_id for item in engine.owned()}
    run_ids |= {item.run_id for item in engine.owned_volumes()}
    return (
        INSTALLATION in run_ids
        or any(_tasks(data_dir).glob("*"))
        or bool(_folders(data_dir) or _half_made_bases(data_dir, whole))
    )


def _remove_from_engine(engine: Engine) -> list[str]:
    containers = [item.name for item in engine.owned() if item.run_id == INSTALLATION]
    for name in containers:
        engine.remove(name)
    volumes = [item.name for item in engine.owned_volumes() if item.run_id == INSTALLATION]
    for name in volumes:
        engine.remove_volume(name)
    return containers + volumes


def _set_aside(data_dir: Path, whole: str) -> list[Path]:
    """The folders to remove; a half-made base gets another name, since it may be made anew."""
    for base in _half_made_bases(data_dir, whole):
        base.rename(try_folder(data_dir))
    return _folders(data_dir)


def _folders(data_dir: Path) -> list[Path]:
    return list((data_dir / "workspaces").glob(f"{TRY}*"))


def _half_made_bases(data_dir: Path, whole: str) -> list[Path]:
    places = (data_dir / "workspaces" / "bases").glob("*/*/")
    return [place for place in places if not (place / whole).exists()]


def _tasks(data_dir: Path) -> Path:
    return runs_folder(data_dir) / str(INSTALLATION)


def _lock(data_dir: Path) -> Path:
    return data_dir / "workspaces" / "housework.lock"
