"""Taking commits out of a bundle that an agent's container wrote: trust nothing in it.

Not with `git fetch FILE`: up to git 2.44 that checks no object, whatever transfer.fsckObjects
says (tried with 2.39.5: a tree with a `.git` folder came through). So the header is read here, and
the pack behind it is read through by `paid.containers.packs`, which believes no size that it
claims, and then goes through `git index-pack --strict` into a quarantine, from which it is moved
once every check is passed. The git that does so has little memory and time.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from paid.containers import packs, refs
from paid.containers.changes import SHA
from paid.containers.git import Git
from paid.errors import BundleRejectedError, ChangeTooLargeError, GitError

_MIB = 1024 * 1024
_QUARANTINE = "paid-incoming-"
_HEADER_BYTES = 64 * 1024
_FIRST_LINES = (b"# v2 git bundle", b"# v3 git bundle")
_NEEDED = re.compile(rb"-([0-9a-f]{40,64})(?: .*)?")


@dataclass(frozen=True)
class Limits:
    """How much one run may bring. GitHub refuses files over 100 MiB, so we do before it.

    `commit_bytes` is of one commit, `history_bytes` of all together, `folder_bytes` of all folders
    (trees): each commit brings the whole list of every folder that it changes something in.
    """

    bundle_bytes: int = 512 * _MIB
    file_bytes: int = 100 * _MIB
    commit_bytes: int = _MIB
    tree_bytes: int = 16 * _MIB
    history_bytes: int = 16 * _MIB
    folder_bytes: int = 512 * _MIB
    total_bytes: int = 1024 * _MIB
    objects: int = 500_000
    commits: int = 2_000
    seconds: float = 120

    def of_pack(self) -> packs.PackLimits:
        """What the pack may claim; a delta counts beside what it makes, hence the quarter more."""
        return packs.PackLimits(
            objects=self.objects,
            file_bytes=self.file_bytes,
            commit_bytes=self.commit_bytes,
            tree_bytes=self.tree_bytes,
            total_bytes=self.total_bytes + self.total_bytes // 4,
        )


LIMITS = Limits()


def run_ref(run_id: int) -> str:
    """Where a run's checked head is kept."""
    return f"refs/paid/runs/{int(run_id)}"


def take(
    git: Git, run_id: int, bundle: Path, branch: str, base_sha: str, limits: Limits = LIMITS
) -> str:
    """Check the bundle's one branch, keep it in the mirror, and return its head."""
    with _opened(bundle, limits.bundle_bytes) as file, _quarantine(git) as folder:
        head = _read_header(file, f"refs/heads/{branch}")
        packs.survey(file, limits.of_pack())
        inside = Git(git.repository, quarantine=folder).of_change()
        _index(inside, file, limits)
        objects = _new_objects(inside, base_sha, head, limits)
        _require_sizes(inside, head, objects, limits)
        _release(folder, git.repository / "objects" / "pack")
    if not refs.create(git.repository, run_ref(run_id), head):
        git.run("update-ref", run_ref(run_id), head)
    return head


def sweep(git: Git) -> None:
    """Remove quarantines that a killed worker left; only while nobody takes a bundle."""
    for folder in git.repository.glob(f"{_QUARANTINE}*"):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _opened(path: Path, most_bytes: int) -> Iterator[IO[bytes]]:
    """The file, unbuffered, so that git reads on from where the header ends."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        reason = f"The bundle cannot be opened ({error.strerror})."
        raise BundleRejectedError(reason) from None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BundleRejectedError("The bundle is not a regular file.")
        if found.st_size > most_bytes:
            raise ChangeTooLargeError(f"The bundle is larger than {most_bytes:,} bytes.")
        with os.fdopen(descriptor, "rb", buffering=0, closefd=False) as file:
            yield file
    finally:
        os.close(descriptor)


def _read_header(file: IO[bytes], ref: str) -> str:
    """The head of the bundle's only ref, leaving the file at the pack.

    The format is git's Documentation/gitformat-bundle: a first line, capabilities behind `@`,
    needed commits behind `-`, refs, an empty line.
    """
    header, found, _ = file.read(_HEADER_BYTES).partition(b"\n\n")
    lines = header.split(b"\n")
    if not found or lines[0] not in _FIRST_LINES:
        raise BundleRejectedError("The file is not a git bundle.")
    heads = []
    for line in lines[1:]:
        if line.startswith(b"@"):
            if line != b"@object-format=sha1":
                raise BundleRejectedError("The bundle was made with a filter, or by SHA-256.")
        elif not _NEEDED.fullmatch(line):
            heads.append(line.decode("utf-8", "replace").partition(" "))
    if len(heads) != 1 or heads[0][2] != ref or not SHA.fullmatch(heads[0][0]):
        raise BundleRejectedError("The bundle holds other refs than the run's own branch.")
    file.seek(len(header) + 2)
    return heads[0][0]


@contextmanager
def _quarantine(git: Git) -> Iterator[Path]:
    # beside the objects, so that releasing is a rename within one file system
    folder = Path(tempfile.mkdtemp(prefix=_QUARANTINE, dir=git.repository))
    try:
        (folder / "pack").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _index(git: Git, pack: IO[bytes], limits: Limits) -> None:
    try:
        git.run(
            "index-pack", "--stdin", "--fix-thin", "--strict", "--threads=1",
            f"--max-input-size={limits.bundle_bytes}",
            stdin=pack, timeout_seconds=limits.seconds,
        )  # fmt: skip
    except GitError as error:
        raise BundleRejectedError(f"The bundle is not sound: {error.message}") from None


def _new_objects(git: Git, base_sha: str, head: str, limits: Limits) -> bytes:
    """The objects that the base has not, a line each; they go on from it.

    The walk back from `head` ends at the base's history, and its last steps are told with a `-`:
    the base is one of them if, and only if, `head` descends from it.
    """
    try:
        listed = git.run(
            "rev-list", "--objects", "--no-object-names", "--boundary", head, f"^{base_sha}",
            most_bytes=67 * limits.objects,
        ).stdout.splitlines(keepends=True)  # fmt: skip
    except GitError as error:
        raise BundleRejectedError(f"The bundle is not whole: {error.message}") from None
    if f"-{base_sha}\n".encode() not in listed:
        raise BundleRejectedError("The run's branch does not go on from the run's base.")
    return b"".join(line for line in listed if not line.startswith(b"-"))


def _require_sizes(git: Git, head: str, objects: bytes, limits: Limits) -> None:
    """The head is a commit, every object is there, and neither one nor all are too much."""
    sizes: dict[bytes, list[int]] = {}
    for line in git.run("cat-file", "--batch-check", stdin=objects).stdout.splitlines():
        name, kind, size = (*line.split(b" "), b"", b"")[:3]
        if not size.isdigit():
            raise BundleRejectedError("The bundle is not whole: an object is missing.")
        if name == head.encode() and kind != b"commit":
            raise BundleRejectedError("The run's branch is not a commit.")
        sizes.setdefault(kind, []).append(int(size))
    _require_each(sizes, limits)
    _require_all(sizes, limits)


def _require_each(sizes: Mapping[bytes, list[int]], limits: Limits) -> None:
    for name, kind, most in (
        ("file", b"blob", limits.file_bytes),
        ("commit", b"commit", limits.commit_bytes),
        ("folder", b"tree", limits.tree_bytes),
    ):
        if (largest := max(sizes.get(kind, ()), default=0)) > most:
            raise ChangeTooLargeError(f"A {name} is larger than {most:,} bytes: {largest:,}.")


def _require_all(sizes: Mapping[bytes, list[int]], limits: Limits) -> None:
    commits, trees = sizes.get(b"commit", []), sizes.get(b"tree", [])
    if len(commits) > limits.commits:
        raise ChangeTooLargeError(
            f"The run made {len(commits)} commits; {limits.commits} are accepted."
        )
    for what, total, most in (
        ("The messages of the commits are", sum(commits), limits.history_bytes),
        ("The lists of the changed folders are", sum(trees), limits.folder_bytes),
        ("The change is", sum(map(sum, sizes.values())), limits.total_bytes),
    ):
        if total > most:
            raise ChangeTooLargeError(f"{what} larger than {most:,} bytes in all: {total:,}.")


def _release(folder: Path, packs: Path) -> None:
    """Move what was indexed; the index last, because a pack counts from when it has one."""
    packs.mkdir(exist_ok=True)
    order = {".idx": 1}
    files = [path for path in (folder / "pack").iterdir() if path.suffix != ".keep"]
    for path in sorted(files, key=lambda path: order.get(path.suffix, 0)):
        path.rename(packs / path.name)
