"""Debian's packages, the only ones that set-up installs into the system, and only as root."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from paid.errors import ConfigurationError
from paid.setup.npm import DownloadError

LISTS = Path("/var/lib/apt/lists")


def can_install() -> bool:
    """True for root on Debian or one of its children."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages without asking anything; raises ConfigurationError where it may not."""
    if not can_install():
        names = " ".join(packages)
        raise ConfigurationError(
            f"This needs {names}, which bin/setup installs by itself only as root on Debian.",
            hint=f"Install {names} yourself, then run bin/setup again.",
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    base = ["apt-get", "-qq", "-y", "-o", "DPkg::Lock::Timeout=300"]
    install_argv = [*base, "install", "--no-install-recommends", *packages]
    if _run(install_argv, environment).returncode == 0:
        return
    _run([*base, "update"], environment)  # the lists are old, or were never there
    done = _run(install_argv, environment)
    if done.returncode != 0:
        raise DownloadError(
            f"apt-get could not install {' '.join(packages)}: {done.stderr.strip()[-800:]}",
            hint="See what `apt-get install` says, then run bin/setup again.",
        )


def know_sources() -> None:
    """Fetch the package lists if there are none: debootstrap learns the mirrors from them."""
    if not any(LISTS.glob("*_Packages*")):
        _run(["apt-get", "-qq", "-y", "update"], dict(os.environ))


def _run(argv: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def is_installed(program: str) -> bool:
    """True when a program is on PATH or where Debian keeps those for root."""
    return shutil.which(program) is not None or Path("/usr/sbin", program).exists()
