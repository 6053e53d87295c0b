"""The hosts that dependency installs need, as this machine's own package clients know them.

Each client is asked once, when it is first there, and the answers are kept in `registries.json` of
the data folder, which may be edited: no host is named in this program, so a company's mirror
serves as well as the public registries.
"""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from paid.gateway import registry_files
from paid.gateway.addresses import is_name

log = logging.getLogger(__name__)

ASK_SECONDS = 20.0
_PIP = """
from pip._internal.models import index
print(index.PyPI.simple_url)
print("https://" + index.PyPI.file_storage_domain)
"""
_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("python3", "-c", _PIP),
    ("python3", "-m", "pip", "config", "get", "global.index-url"),
    ("npm", "config", "get", "registry"),
    ("go", "env", "GOPROXY", "GOSUMDB"),
)


class Registries:
    """The list as it stands in its file; read anew when the file changes.

    `ask` answers what a package client would print, `read` the addresses that are in files of
    further clients. Where only the first is given, the clients of this machine are left alone.
    """

    def __init__(
        self,
        file: Path,
        ask: Callable[[tuple[str, ...]], str] | None = None,
        read: Callable[[], Mapping[str, Sequence[str]]] | None = None,
    ) -> None:
        self._file = file
        self._read_files = read or (registry_files.addresses if ask is None else dict)
        self._ask = ask or _ask
        self._read_at: tuple[int, int] | None = None
        self._hosts: tuple[str, ...] = ()

    def hosts(self) -> Sequence[str]:
        """The hosts; none when the file is missing or broken."""
        try:
            found = self._file.stat()
        except FileNotFoundError:
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._read_at:
            self._read_at = stamp
            self._hosts = _read(self._file)
        return self._hosts

    def discover(self) -> None:
        """Ask the clients that were not asked yet, and add what they say.

        A file without the list of those that were asked is a person's, and stays as it is.
        """
        kept = _kept(self._file)
        if kept is None:
            return
        hosts, asked = kept
        said = self._say(asked)
        if not any(said.values()) and self._file.exists():
            return
        fresh = {host for listed in said.values() for host in listed}
        asked |= {client for client, listed in said.items() if listed}
        whole = {"hosts": sorted({*hosts, *fresh}), "asked": sorted(asked)}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        written = self._file.with_suffix(".new")
        written.write_text(json.dumps(whole, indent=2) + "\n")
        written.replace(self._file)

    def _say(self, asked: Set[str]) -> dict[str, list[str]]:
        """The hosts of each client that is new."""
        said: dict[str, list[str]] = {}
        for command in _COMMANDS:
            if command[0] not in asked:
                said.setdefault(command[0], []).extend(_hosts_of(self._ask(command)))
        for client, addresses in self._read_files().items():
            if client not in asked:
                said[client] = _hosts_of(" ".join(addresses))
        return said


def _kept(file: Path) -> tuple[set[str], set[str]] | None:
    """Hosts and clients in the file; nothing of either before there is one, None to leave it."""
    try:
        kept = json.loads(file.read_text())
        return set(map(str, kept["hosts"])), set(map(str, kept["asked"]))
    except FileNotFoundError:
        return set(), set()
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read(file: Path) -> tuple[str, ...]:
    try:
        hosts = json.loads(file.read_text())["hosts"]
        return tuple(str(host).lower() for host in hosts)
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.error("%s cannot be used: %s", file.name, error)
        return ()


def _ask(command: tuple[str, ...]) -> str:
    """What a client prints; nothing when it is missing, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _hosts_of(printed: str) -> list[str]:
    """The hosts in a client's answer: addresses, or bare names as `go env` has them.

    A port of one's own stays with its name.
    """
    words = printed.replace(",", " ").replace("|", " ").replace("sparse+", "").split()
    places = [urlsplit(word if "//" in word else f"//{word}") for word in words]
    return [_named(place) for place in places if is_name(place.hostname or "")]


def _named(place: SplitResult) -> str:
    with suppress(ValueError):  # of a port that is none
        if place.port not in (None, 443):
            return f"{place.hostname}:{place.port}"
    return str(place.hostname)
