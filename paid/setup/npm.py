"""Packages from the npm registry, fetched by npm's own client and checked against pinned digests.

Only the standard library: the build hook runs this where nothing of ours is installed.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

from paid.errors import PaidError
from paid.setup import pinned_tools


class DownloadError(PaidError):
    """Raised when something cannot be fetched, or is not what was pinned."""

    code = "download"
    retryable = True


@dataclass(frozen=True)
class Package:
    """One version of a package; `sha512` is the registry's integrity value without its prefix."""

    name: str
    version: str
    sha512: str

    @property
    def file_name(self) -> str:
        """What `npm pack` calls the archive."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


def archive(package: Package, cache_dir: Path) -> Path:
    """The package's archive in the cache, fetched when it is not there, verified either way."""
    kept = cache_dir / "npm" / package.file_name
    if not (kept.exists() and _matches(kept, package)):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            fetched = _pack(package, Path(folder), pinned_tools.npm(cache_dir))
            if not _matches(fetched, package):
                raise DownloadError(
                    f"{package.name} {package.version} is not the archive that Paid pinned.",
                    hint="The registry that npm is set up with serves something else.",
                )
            fetched.replace(kept)
    return kept


def extract(archive_file: Path, wanted: dict[str, str], into: Path) -> None:
    """Write members of an archive, given as {path in the package: path under `into`}."""
    with tarfile.open(archive_file) as members:
        for source, target in wanted.items():
            member = members.extractfile(f"package/{source}")
            if member is None:
                raise DownloadError(f"{archive_file.name} holds no file {source}.")
            path = into / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(member.read())


def _pack(package: Package, folder: Path, npm: list[str]) -> Path:
    argv = [*npm, "pack", f"{package.name}@{package.version}", "--silent"]
    argv += ["--ignore-scripts", "--pack-destination", str(folder)]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DownloadError(
            f"npm could not fetch {package.name} {package.version}: {done.stderr.strip()[-500:]}",
            hint="Check the network and `npm config get registry`, then run bin/setup again.",
        )
    return folder / package.file_name


def _matches(path: Path, package: Package) -> bool:
    digest = hashlib.sha512(path.read_bytes()).digest()
    return base64.b64encode(digest).decode() == package.sha512
