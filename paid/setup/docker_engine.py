"""A Docker engine that answers: the one that is there, or Debian's, started and left running."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from paid.errors import ConfigurationError
from paid.settings import Settings
from paid.setup import apt

DEFAULT_SOCKET = Path("/var/run/docker.sock")
START_SECONDS = 60
DAEMON_ATTEMPTS: tuple[tuple[str, ...], ...] = (
    (),
    # Without iptables there is no bridge network, and Paid's containers have none anyway.
    ("--iptables=false", "--ip6tables=false", "--bridge=none"),
)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket: enough to ask an engine its version before any SDK is needed."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def version(path: Path) -> str | None:
    """The version of the engine behind a socket, or None when none answers."""
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/version")
        return str(json.loads(connection.getresponse().read())["Version"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


def socket_path(settings: Settings) -> Path:
    """The engine's Unix socket. An engine over the network cannot mount the gateway's socket."""
    host = settings.docker_host
    if host is None:
        return DEFAULT_SOCKET
    if not host.startswith("unix://"):
        raise ConfigurationError(
            "DOCKER_HOST names an engine that is not on this machine.",
            hint="Paid mounts folders of this machine: use a unix:// socket, or unset DOCKER_HOST.",
        )
    return Path(host.removeprefix("unix://"))


def ensure(settings: Settings, say: Callable[[str], None]) -> str:
    """Make sure that an engine answers; returns its version.

    Raises ConfigurationError with what to install where set-up may not do it.
    """
    path = socket_path(settings)
    found = version(path)
    if found is not None:
        return found
    if path != DEFAULT_SOCKET or not apt.can_install():
        raise ConfigurationError(
            f"No Docker engine answers at {path}.",
            hint="Install Docker Engine 20.10 or later, start it, see that this account may use "
            "its socket (`docker version`), then run bin/setup again.",
        )
    if not apt.is_installed("dockerd"):
        say("installing Debian's docker.io")
        apt.install("docker.io", "iptables")
    return _start_daemon(path, settings.data_dir / "logs" / "dockerd.log", say)


def _start_daemon(path: Path, log_file: Path, say: Callable[[str], None]) -> str:
    """Start dockerd so that it outlives us: it serves the whole machine, not this program."""
    program = shutil.which("dockerd") or "/usr/sbin/dockerd"
    log_file.parent.mkdir(parents=True, exist_ok=True)
    for options in DAEMON_ATTEMPTS:
        say(f"starting dockerd {' '.join(options)}".strip())
        with log_file.open("ab") as log:
            daemon = subprocess.Popen(
                [program, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )
        found = _wait(path, daemon)
        if found is not None:
            daemon.returncode = 0  # ours no longer: no warning that it still runs
            return found
    raise ConfigurationError("dockerd does not start here.", hint=f"Its log is {log_file}.")


def _wait(path: Path, daemon: subprocess.Popen[bytes]) -> str | None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        found = version(path)
        if found is not None:
            return found
        time.sleep(0.1)
    if daemon.poll() is None:
        daemon.terminate()
        daemon.wait()
    return None
