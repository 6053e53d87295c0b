"""Which secrets a change would publish anew, and that nobody let go.

A secret is new when the base has it in no file: not in one that the change takes away or replaces,
and not in another. Small changes are looked through here; large ones by a process of its own, with
little memory and time, so that the worker and its other runs feel nothing.
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from paid.containers import object_scan
from paid.containers.git import Git
from paid.containers.object_scan import Finding
from paid.containers.secret_scan import OURS, Budget, SecretScan
from paid.errors import ChangeTooLargeError, GitError

SMALL_BYTES = 1024 * 1024
MEMORY_BYTES = 448 * 1024 * 1024
PROCESSOR_SECONDS = 28
WALL_SECONDS = 240
_MOST_TOLD = 20
_MOST_ASKED = 20
"""Values that are looked for in the whole base, file by file; of more, none counts as known."""


@dataclass(frozen=True)
class Allowed:
    """What people let go: globs of paths, and SHA-256 of values in hex."""

    paths: tuple[str, ...] = ()
    values: frozenset[str] = frozenset()

    def has(self, finding: Finding) -> bool:
        """A path lets no secret of ours go; a file that is at several paths needs them all."""
        if finding.hit.fingerprint in self.values:
            return True
        if finding.hit.kind == OURS or not finding.paths:
            return False
        return all(any(_matches(path, glob) for glob in self.paths) for path in finding.paths)


@dataclass(frozen=True)
class Told:
    """A secret as it may be told: its kind, where it is, and the SHA-256 of its value."""

    kind: str
    place: str
    fingerprint: str


def told_in_texts(
    texts: Iterable[str], known: Iterable[str], secrets: Sequence[str], allowed: Allowed
) -> list[Told]:
    """Secrets in texts that are published beside the commits, but in none of the known ones."""
    scan = SecretScan(secrets, Budget.small())
    old = _values_in(known, secrets)
    found = [Finding(hit, _TEXTS) for text in texts for hit in scan.hits(_bytes(text))]
    return _told(one for one in found if one.hit.value not in old and not allowed.has(one))


def _values_in(known: Iterable[str], secrets: Sequence[str]) -> set[bytes]:
    """The values in known texts; none where strangers made them too large to be looked through."""
    scan = SecretScan(secrets, Budget.small())
    try:
        return {hit.value for text in known for hit in scan.hits(_bytes(text))}
    except ChangeTooLargeError:
        return set()


_TEXTS = "the pull request's title or text"


def check_objects(
    git: Git, base_sha: str, head_sha: str, secrets: Sequence[str], allowed: Allowed
) -> list[Told]:
    """Secrets in the objects that are new since the base.

    Raises ChangeTooLargeError for a change that cannot be looked through within the limits.
    """
    names = object_scan.new_objects(git, head_sha, base_sha)
    if _size(git, names) <= SMALL_BYTES:
        with suppress(ChangeTooLargeError):  # packed to be small: the process beside says so
            return look_through(
                git, base_sha, head_sha, secrets, allowed, names=names, is_small=True
            )
    return _look_beside(git.repository, base_sha, head_sha, secrets, allowed)


def look_through(
    git: Git,
    base_sha: str,
    head_sha: str,
    secrets: Sequence[str],
    allowed: Allowed,
    *,
    names: bytes | None = None,
    is_small: bool = False,
) -> list[Told]:
    """The same, in this process; where `is_small`, with a budget that a worker can spare.

    `names` are those of the new objects, where they are known already.
    """
    budget = Budget.small() if is_small else None
    names = names or object_scan.new_objects(git, head_sha, base_sha)
    found = object_scan.findings(git, names, SecretScan(secrets, budget))
    found = [finding for finding in found if not allowed.has(finding)]
    if not found:
        return []
    scan = SecretScan(secrets, budget)
    try:
        old = object_scan.values_in_base(git, base_sha, head_sha, scan)
    except ChangeTooLargeError:
        if is_small:
            raise
        old = set()
    asked = {finding.hit.value for finding in found} - old
    if len(asked) <= _MOST_ASKED:
        old |= {value for value in asked if object_scan.is_in_tree(git, base_sha, value, scan)}
    return _told(finding for finding in found if finding.hit.value not in old)


def _told(found: Iterable[Finding]) -> list[Told]:
    """Each value once, at the first place where it is; the first ones of very many."""
    told: dict[tuple[str, str], Told] = {}
    for one in found:
        each = Told(one.hit.kind, one.place, one.hit.fingerprint)
        told.setdefault((each.kind, each.fingerprint), each)
        if len(told) >= _MOST_TOLD:
            break
    return list(told.values())


def _size(git: Git, names: bytes) -> int:
    sizes = git.run("cat-file", "--batch-check=%(objectsize)", stdin=names).stdout.split()
    return sum(int(size) for size in sizes if size.isdigit())


def _look_beside(
    repository: Path, base_sha: str, head_sha: str, secrets: Sequence[str], allowed: Allowed
) -> list[Told]:
    asked = {
        "repository": str(repository),
        "base_sha": base_sha,
        "head_sha": head_sha,
        "secrets": list(secrets),
        "paths": list(allowed.paths),
        "values": sorted(allowed.values),
    }
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-m", "paid.containers.scan_process"],
            input=json.dumps(asked).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_much() from None
    if done.returncode != 0 or not done.stdout:
        raise _too_much()
    return _answered(json.loads(done.stdout))


def _answered(answer: Any) -> list[Told]:
    if (said := answer.get("too_large")) is not None:
        raise ChangeTooLargeError(said)
    if (said := answer.get("failed")) is not None:
        raise GitError(said)
    return [Told(**each) for each in answer["told"]]


def _too_much() -> ChangeTooLargeError:
    return ChangeTooLargeError(
        "The change is too large to be looked through for secrets: that takes more than"
        f" {PROCESSOR_SECONDS} seconds of a processor or {MEMORY_BYTES // 1024**2} MiB."
    )


def answer_to(asked: Any) -> dict[str, Any]:
    """What the process beside the worker says."""
    git = Git(Path(asked["repository"])).of_change()
    allowed = Allowed(tuple(asked["paths"]), frozenset(asked["values"]))
    try:
        told = look_through(git, asked["base_sha"], asked["head_sha"], asked["secrets"], allowed)
    except ChangeTooLargeError as error:
        return {"too_large": error.message}
    except GitError as error:
        return {"failed": error.message}
    return {"told": [asdict(each) for each in told]}


def _matches(path: str, glob: str) -> bool:
    """As a shell matches, where `**` and `*` go over folders; a folder stands for all in it."""
    return fnmatch.fnmatchcase(path, glob) or fnmatch.fnmatchcase(path, glob.rstrip("/") + "/*")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
