"""Where Rust's and Java's package clients install from, as their own files on this machine say.

Neither client prints it: Cargo has its index in its program and names the hosts of the packages in
the index's `config.json`; Maven has its repository in a file within one of its archives. Both may
be told otherwise by a file of the person's, which goes first.
"""

from __future__ import annotations

import json
import logging
import mmap
import re
import shutil
import subprocess
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

log = logging.getLogger(__name__)

ASK_SECONDS = 10.0
MOST_CONFIG_BYTES = 64 * 1024
_INDEX = re.compile(rb"sparse\+https://[A-Za-z0-9./_-]{4,200}/")
_SUPER_POM = "org/apache/maven/model/pom-4.0.0.xml"


def addresses() -> dict[str, list[str]]:
    """The addresses that each client which is on this machine installs from."""
    found: dict[str, list[str]] = {}
    if (cargo := _cargo()) is not None:
        found["cargo"] = _cargo_addresses(cargo)
    if (maven := shutil.which("mvn")) is not None:
        found["mvn"] = _maven_addresses(Path(maven).resolve().parent.parent)
    return {client: listed for client, listed in found.items() if listed}


def _cargo() -> Path | None:
    """Cargo's own program: the one on the path may be rustup's, which only chooses."""
    program = shutil.which("cargo")
    if program is None:
        return None
    if Path(program).resolve().name != "rustup":
        return Path(program).resolve()
    with suppress(OSError, subprocess.SubprocessError):
        chosen = subprocess.run(
            ("rustup", "which", "cargo"),
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            stdin=subprocess.DEVNULL,
            check=True,
        )
        return Path(chosen.stdout.strip())
    return None


def _cargo_addresses(cargo: Path) -> list[str]:
    """The indexes, and where each says that its packages are."""
    indexes = _configured_indexes() or _built_in_index(cargo)
    return [*indexes, *(address for index in indexes for address in _said_by(index))]


def _configured_indexes() -> list[str]:
    """What stands in Cargo's configuration instead of the index that it was built with."""
    config: dict[str, Any] = {}
    for file in (home / name for home in _cargo_homes() for name in ("config.toml", "config")):
        with suppress(OSError, ValueError):
            config = tomllib.loads(file.read_text())
            break
    tables = [config.get("source"), config.get("registries")]
    entries = [entry for table in tables if isinstance(table, dict) for entry in table.values()]
    named = [entry.get("registry") or entry.get("index") for entry in entries if entry]
    return [address for address in named if isinstance(address, str)]


def _cargo_homes() -> list[Path]:
    """Cargo's own folder: rustup installs it as that folder's `bin/cargo`."""
    program = shutil.which("cargo")
    return [*([Path(program).parent.parent] if program else []), Path.home() / ".cargo"]


def _built_in_index(cargo: Path) -> list[str]:
    try:
        with cargo.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            found = {match[0].decode() for match in _INDEX.finditer(text)}
    except (OSError, ValueError):
        return []
    return sorted(found)


def _said_by(index: str) -> Iterator[str]:
    """`dl` and `api` of an index's configuration, which Cargo reads before anything else."""
    url = f"{index.removeprefix('sparse+').rstrip('/')}/config.json"
    if not index.startswith("sparse+https://"):
        return
    try:
        with urllib.request.urlopen(url, timeout=ASK_SECONDS) as answer:  # noqa: S310 - https
            config = json.loads(answer.read(MOST_CONFIG_BYTES))
        for name in ("dl", "api"):
            if isinstance(address := config.get(name), str):
                # a template may stand in a path, where it is of no concern
                yield address.partition("{")[0]
    except (OSError, ValueError, AttributeError) as error:
        log.warning("%s does not say where its packages are: %s", url, error)


def _maven_addresses(home: Path) -> list[str]:
    """The mirrors that settings name; without any, what Maven's own model has."""
    settings = (Path.home() / ".m2" / "settings.xml", home / "conf" / "settings.xml")
    mirrors = [url for file in settings for url in _mirrors(file)]
    return mirrors or [
        url for jar in home.glob("lib/maven-model-builder*.jar") for url in _own(jar)
    ]


def _mirrors(file: Path) -> list[str]:
    with suppress(OSError, ElementTree.ParseError):
        root = ElementTree.fromstring(file.read_text())  # noqa: S314 - the operator's own file
        found = [
            url.text.strip()
            for mirror in root.iterfind(".//{*}mirror")
            if mirror.findtext("{*}blocked") != "true"
            for url in mirror.iterfind("{*}url")
            if url.text
        ]
        return found
    return []


def _own(jar: Path) -> list[str]:
    with suppress(OSError, KeyError, zipfile.BadZipFile, UnicodeDecodeError):
        with zipfile.ZipFile(jar) as archive:
            text = archive.read(_SUPER_POM).decode()
        return sorted(set(re.findall(r"<url>\s*(https://[^<\s]+)\s*</url>", text)))
    return []
