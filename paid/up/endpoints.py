"""How a command in another terminal finds the servers of a running `paid up`.

They are written to up.json in the data folder, for the owner's eyes alone: the database's address
holds its password.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from paid.settings import Settings


@dataclass(frozen=True)
class Endpoints:
    """Where the parts of a running installation are."""

    pid: int
    database_url: str
    temporal_address: str
    temporal_namespace: str
    temporal_task_queue: str
    temporal_ui_url: str | None
    gateway_socket: str
    web_host: str
    web_port: int
    web_url: str | None = None
    vendors: tuple[str, ...] = ()
    """Names of the model vendors that the gateway has keys of."""

    @classmethod
    def of(cls, settings: Settings) -> Endpoints:
        """Those that a started installation's settings name."""
        url = settings.database_url
        return cls(
            pid=os.getpid(),
            database_url="" if url is None else url.get_secret_value(),
            temporal_address=settings.temporal_address,
            temporal_namespace=settings.temporal_namespace,
            temporal_task_queue=settings.temporal_task_queue,
            temporal_ui_url=settings.temporal_ui_url,
            gateway_socket=str(settings.gateway_socket_path),
            web_host=settings.web_host,
            web_port=settings.web_port,
            web_url=settings.web_url,
            vendors=settings.vendors_with_keys,
        )


def path(data_dir: Path) -> Path:
    """The file of a data folder."""
    return data_dir / "up.json"


def write(data_dir: Path, endpoints: Endpoints) -> None:
    """Replace the file whole, readable by its owner alone."""
    fresh = path(data_dir).with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(endpoints), file, indent=1)
    fresh.replace(path(data_dir))


def read(data_dir: Path) -> Endpoints | None:
    """Those of a `paid up` that is running; None when there is none."""
    try:
        endpoints = Endpoints(**json.loads(path(data_dir).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return endpoints if _lives(endpoints.pid) else None


def forget(data_dir: Path) -> None:
    """Take the file away; nothing happens when there is none."""
    path(data_dir).unlink(missing_ok=True)


def with_running(settings: Settings) -> Settings:
    """The settings, completed from a running `paid up` where the environment names no server."""
    if settings.database_url is not None:
        return settings
    found = read(settings.data_dir)
    if found is None:
        return settings
    changes = {
        "database_url": SecretStr(found.database_url),
        "gateway_socket": Path(found.gateway_socket),
        "web_host": found.web_host,
        "web_port": found.web_port,
        "web_url": found.web_url,
    }
    if "temporal_address" not in settings.model_fields_set:
        changes |= {
            "temporal_address": found.temporal_address,
            "temporal_namespace": found.temporal_namespace,
            "temporal_task_queue": found.temporal_task_queue,
            "temporal_ui_url": found.temporal_ui_url,
        }
    return settings.changed(**changes)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
