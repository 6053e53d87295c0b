"""The host: disk, git, and the key file."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from paid.doctor.findings import Case, Check, Finding, broken, ok, warning
from paid.embedded.postgres_files import place_of
from paid.store.credentials import SecretBox

LOW_BYTES = 5_000_000_000
TOO_LOW_BYTES = 1_000_000_000
OLDEST_GIT = (2, 31)
"""The first whose configuration can come from the environment, so that no token is in a file."""


def disk(case: Case) -> Sequence[Finding]:
    """Room for mirrors, logs and the database, whose data may be on a disk of its own."""
    folder = _existing(case.settings.data_dir)
    found = [free_space("disk", str(folder), shutil.disk_usage(folder).free)]
    data = place_of(case.settings.data_dir / "postgres")
    if data is not None and data.stat().st_dev != folder.stat().st_dev:
        found.append(free_space("database disk", str(data), shutil.disk_usage(data).free))
    return found


def free_space(name: str, where: str, free_bytes: int) -> Finding:
    """Whether so much is enough."""
    detail = f"{free_bytes / 1e9:.1f} GB free in {where}"
    if free_bytes < TOO_LOW_BYTES:
        return broken(name, detail, "Free some: at least 1 GB is needed to start a run.")
    if free_bytes < LOW_BYTES:
        return warning(name, detail, "Free some: a few runs of a large repository will fill it.")
    return ok(name, detail)


def git(_case: Case) -> Sequence[Finding]:
    """Git on the host fetches, checks and pushes."""
    mend = "Install git 2.31 or newer (`apt-get install git`)."
    program = shutil.which("git")
    if program is None:
        return [broken("git", "not installed", mend)]
    told = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False, timeout=5
    ).stdout.strip()
    found = re.search(r"(\d+)\.(\d+)", told)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        return [broken("git", told or "does not run", mend)]
    return [ok("git", told)]


def secret_key(case: Case) -> Sequence[Finding]:
    """The key that encrypts stored tokens, which only its owner may read."""
    file = case.settings.secret_key_path
    if not file.exists():
        return [ok("secret key", "will be made with the first project")]
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
        return [broken("secret key", f"others may read {file}", f"Run `chmod 600 {file}`.")]
    SecretBox(file)
    return [ok("secret key", "there, and private")]


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.parents) if place.exists())


CHECKS = (
    Check("disk", disk),
    Check("git", git),
    Check("secret key", secret_key, mend="Put the key file back from your backup."),
)
