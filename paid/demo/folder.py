"""The demo's own data folder: made anew each time, and never anybody's real installation."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path
from typing import Any

from sqlalchemy import text

from paid.embedded.process import Lock
from paid.errors import EmbeddedServiceError
from paid.settings import Settings
from paid.store.database import Database

KEPT_SETTINGS = (
    "cache_dir",
    "host_name",
    "docker_host",
    "start_slots",
    "ca_bundle",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "npm_registry",
    "pip_index_url",
)
"""What says how this machine reaches Docker and the network; servers of the user's stay out."""
KEPT_FILES = {"instance"}
"""The name on this folder's containers, so that what a killed demo left is found and removed."""
LOWEST_RUN = 100_000


def demo_settings(found: Settings) -> Settings:
    """Settings for the demo: a data folder within the user's, embedded servers, no keys."""
    values: dict[str, Any] = {name: getattr(found, name) for name in KEPT_SETTINGS}
    folder = found.data_dir.resolve() / "demo"
    values |= {"data_dir": folder, "secret_key_file": folder / "keys" / "secret.key"}
    return Settings.model_construct(_fields_set=set(values), **values)


def make_anew(folder: Path) -> None:
    """Empty the folder. Raises EmbeddedServiceError while another demo uses it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o711)
    lock = Lock(folder / "up.lock")
    if not lock.take():
        raise EmbeddedServiceError(
            "Another demo is running on this machine.", hint="Stop it with Ctrl-C first."
        )
    try:
        for entry in folder.iterdir():
            if entry.name in KEPT_FILES or entry.name == "up.lock":
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
    finally:
        lock.release()


def number_runs_apart(database: Database) -> None:
    """Start the run numbers somewhere else each time.

    Containers are named after runs, and the engine is shared with the user's own installation and
    with what a killed demo may have left.
    """
    first = LOWEST_RUN + secrets.randbelow(8_000) * 100
    with database.session() as session:
        # An identity column takes no parameter here; `first` is a number made above.
        session.connection().execute(text(f"ALTER TABLE run ALTER COLUMN id RESTART WITH {first}"))
