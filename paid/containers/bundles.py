"""Taking commits out of a bundle that an agent's container wrote: trust nothing in it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from paid.containers.changes import SHA
from paid.containers.git import Git
from paid.errors import BundleRejectedError, GitError, GitUnavailableError

_MIB = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How much one run may bring. GitHub refuses files over 100 MiB, so we do before it."""

    bundle_bytes: int = 512 * _MIB
    file_bytes: int = 100 * _MIB
    total_bytes: int = 1024 * _MIB
    objects: int = 500_000
    commits: int = 2_000
    seconds: float = 300


LIMITS = Limits()


def run_ref(run_id: int) -> str:
    """Where a run's checked head is kept."""
    return f"refs/paid/runs/{int(run_id)}"


def pushed_ref(run_id: int) -> str:
    """Where the head that was last pushed for a run is kept."""
    return f"refs/paid/pushed/{int(run_id)}"


def refs_of(run_id: int) -> tuple[str, ...]:
    """Every ref that a run's commits may be under."""
    return run_ref(run_id), pushed_ref(run_id), _incoming(run_id)


def take(
    git: Git, run_id: int, bundle: Path, branch: str, base_sha: str, limits: Limits = LIMITS
) -> str:
    """Fetch the bundle's one branch into the mirror, check it, keep it; returns its head."""
    _require_regular_file(bundle, limits.bundle_bytes)
    head = _only_head(git, bundle, f"refs/heads/{branch}")
    incoming = _incoming(run_id)
    try:
        _fetch(git, bundle, f"+refs/heads/{branch}:{incoming}", limits.seconds)
        _require_commit(git, incoming, head)
        _require_descent(git, base_sha, head, limits.commits)
        _require_sizes(git, base_sha, head, limits)
        git.run("update-ref", run_ref(run_id), head)
    finally:
        git.run("update-ref", "-d", incoming)
    return head


def _incoming(run_id: int) -> str:
    return f"refs/paid/incoming/{int(run_id)}"


def _require_regular_file(path: Path, most_bytes: int) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        reason = f"The bundle cannot be opened ({error.strerror})."
        raise BundleRejectedError(reason) from None
    try:
        found = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise BundleRejectedError("The bundle is not a regular file.")
    if found.st_size > most_bytes:
        raise BundleRejectedError(f"The bundle is larger than {most_bytes} bytes.")


def _only_head(git: Git, bundle: Path, ref: str) -> str:
    try:
        printed = git.run(
            "bundle", "list-heads", str(bundle.absolute()), most_bytes=_MIB
        ).stdout.decode("utf-8", "replace")
    except GitUnavailableError:
        raise
    except GitError as error:
        raise BundleRejectedError(f"The bundle cannot be read: {error.message}") from None
    heads = [line.split(" ", 1) for line in printed.splitlines()]
    if len(heads) != 1 or heads[0][1:] != [ref] or not SHA.fullmatch(heads[0][0]):
        raise BundleRejectedError("The bundle holds other refs than the run's own branch.")
    return heads[0][0]


def _fetch(git: Git, bundle: Path, refspec: str, seconds: float) -> None:
    try:
        git.run(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            "--end-of-options", str(bundle.absolute()), refspec,
            settings={
                "protocol.file.allow": "always",
                "transfer.fsckObjects": "true",
                "fetch.fsckObjects": "true",
                "core.bigFileThreshold": "16m",  # larger files are streamed, not held in memory
                "pack.threads": "1",
            },
            timeout_seconds=seconds,
        )  # fmt: skip
    except GitUnavailableError as error:
        raise BundleRejectedError(f"The bundle took too long to read: {error.message}") from None
    except GitError as error:
        raise BundleRejectedError(f"The bundle is not sound: {error.message}") from None


def _require_commit(git: Git, ref: str, head: str) -> None:
    found = git.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", accept=(0, 1, 128))
    if found.stdout.decode("ascii", "replace").strip() != head:
        raise BundleRejectedError("The bundle's branch does not point at a commit.")


def _require_descent(git: Git, base_sha: str, head: str, most_commits: int) -> None:
    if git.run("merge-base", "--is-ancestor", base_sha, head, accept=(0, 1)).code != 0:
        raise BundleRejectedError("The run's branch does not go on from the run's base.")
    count = int(git.text("rev-list", "--count", head, f"^{base_sha}"))
    if count > most_commits:
        raise BundleRejectedError(f"The run made {count} commits; {most_commits} are accepted.")


def _require_sizes(git: Git, base_sha: str, head: str, limits: Limits) -> None:
    listed = git.run(
        "rev-list", "--objects", "--no-object-names", head, f"^{base_sha}",
        most_bytes=66 * limits.objects,
    )  # fmt: skip
    asked = "--batch-check=%(objecttype) %(objectsize)"
    sizes = git.run("cat-file", asked, stdin=listed.stdout).stdout
    total = 0
    for line in sizes.splitlines():
        kind, _, size = line.partition(b" ")
        total += int(size)
        if kind == b"blob" and int(size) > limits.file_bytes:
            raise BundleRejectedError(f"A file is larger than {limits.file_bytes} bytes.")
    if total > limits.total_bytes:
        raise BundleRejectedError(f"The change is larger than {limits.total_bytes} bytes.")
