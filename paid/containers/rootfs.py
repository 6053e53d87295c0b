"""A root file system without a registry: debootstrap, from the mirror that this host uses."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from paid.containers.recipe import PACKAGES, SUITE
from paid.errors import ConfigurationError, ContainerError

LISTING = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
SCRIPT_SECONDS = 1800
HINT = (
    "Give Docker a registry that has debian:bookworm-slim, or, on Debian, run this as root "
    "with debootstrap installed (`apt-get install debootstrap`)."
)


def make(load: Callable[[IO[bytes]], None], progress: Callable[[str], None]) -> None:
    """Bootstrap Debian in a temporary folder and hand it on as a tar stream."""
    program = shutil.which("debootstrap", path=f"{os.defpath}:/usr/sbin:/sbin")
    if program is None or os.geteuid() != 0:
        raise ConfigurationError("There is no registry, and no debootstrap for root.", hint=HINT)
    sources = _sources()
    with tempfile.TemporaryDirectory(prefix="paid-rootfs-") as folder:
        root = Path(folder) / "root"
        _bootstrap(program, sources[0].split()[0], root, progress)
        listing = "".join(f"deb {source}\n" for source in sources)
        (root / "etc/apt/sources.list").write_text(listing, encoding="utf-8")
        _send(root, load)


def _sources() -> list[str]:
    """The package sources of this host for our release: lines of address, release, component."""
    found = subprocess.run(
        ["apt-get", "indextargets", "--format", LISTING, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    ours = [
        line
        for line in dict.fromkeys(found)
        if line.split()[1].split("-")[0] == SUITE and line.split()[2] == "main"
    ]
    main = [line for line in ours if line.split()[1] == SUITE]
    if not main:
        raise ConfigurationError(f"No package source of this host has {SUITE}.", hint=HINT)
    return main + [line for line in ours if line not in main]


def _bootstrap(program: str, mirror: str, root: Path, progress: Callable[[str], None]) -> None:
    argv = [
        program,
        "--variant=minbase",
        "--components=main",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(root),
        mirror,
    ]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        last = ""
        for line in process.stdout or ():
            last = line.strip()
            progress(last)
    if process.returncode != 0:
        raise ContainerError(f"debootstrap failed: {last}", hint=HINT)
    for place in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / place, ignore_errors=True)
        (root / place / "partial").mkdir(parents=True)


def _send(root: Path, load: Callable[[IO[bytes]], None]) -> None:
    with subprocess.Popen(
        ["tar", "--create", "--numeric-owner", "--directory", str(root), "."],
        stdout=subprocess.PIPE,
    ) as process:
        if process.stdout is None:
            raise ContainerError("tar has no output.")
        load(process.stdout)
