"""The demo's own data folder: made anew each time, and never anybody's real installation."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from paid.embedded.process import Lock
from paid.errors import EmbeddedServiceError
from paid.settings import Settings

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
