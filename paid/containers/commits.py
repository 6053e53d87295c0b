"""A run's commits as they may be published: the project's identity, messages with nothing active.

They are made anew on the host as soon as a bundle was taken, before anything is checked: a commit's
name covers its message and authors, so checks, reviews and the push are about the new commits, and
nobody has to trust what a container made. Trees are not touched. A commit that the remote has on
any branch is somebody else's, and stays as it is. What an agent can put into a commit besides
(signatures, further headers, encodings, dates of 1970 or 2099) does not come along.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paid.containers.charsets import by_charset
from paid.containers.git import Git
from paid.errors import BundleRejectedError, GitError

MOST_COMMITS_BYTES = 32 * 1024 * 1024
"""Of all commits of a run; messages are cut far below it, and 2,000 honest ones need 1 MB."""
_MESSAGE_BYTES = 128 * 1024
"""Of one message; what is beyond them is cut in any case, and some codecs are slow."""
_PERSON = re.compile(rb"(?:author|committer) .*> (-?[0-9]{1,20}) [-+][0-9]{4}")
_ENCODING = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")

Reword = Callable[[str], str]
"""Takes a message as the agent wrote it; returns the one that may be published."""


@dataclass(frozen=True)
class Identity:
    """Who is named as author and committer of what Paid publishes."""

    name: str
    email: str

    def __str__(self) -> str:
        return f"{self.name} <{self.email}>"


@dataclass(frozen=True)
class Rewritten:
    """The new head, how many commits the run made, and how many of them had to be changed.

    `is_change` is whether the head's files differ from the base's in anything, a mode included.
    """

    head: str
    commits: int
    changed: int
    is_change: bool


@dataclass(frozen=True)
class Rules:
    """How the commits of a run are to look; see `rewrite`."""

    identity: Identity
    reword: Reword


@dataclass(frozen=True)
class _Commit:
    """What of a commit counts; times are seconds since 1970."""

    tree: bytes
    parents: tuple[str, ...]
    authored: int
    committed: int
    message: str


def rewrite(git: Git, base_sha: str, head: str, rules: Rules, now: float) -> Rewritten:
    """Make the commits between base and head anew where they are not as they may be published.

    The same commits give the same new ones. Raises BundleRejectedError for what is no commit,
    ChangeTooLargeError for commits that git cannot read or write within the limits of a change.
    """
    git = git.of_change()
    ours = _ours(git, base_sha, head)
    raw = _read(git, list(dict.fromkeys([base_sha, head, *ours])))
    base = _parsed(raw[base_sha])
    names: dict[str, str] = {}
    made: dict[str, bytes] = {}
    span, times = (base.committed, int(now)), {base_sha: base.committed}
    for old in ours:
        commit = _in_time(_parsed(raw[old]), span, times)
        written = _written(commit, names, rules)
        names[old], times[old] = _name(written, len(old)), commit.committed
        if names[old] != old:
            made[names[old]] = written
    _write(git, made)
    is_change = _parsed(raw[head]).tree != base.tree
    return Rewritten(names.get(head, head), len(ours), len(made), is_change)


def _ours(git: Git, base_sha: str, head: str) -> list[str]:
    """The run's own commits, parents first: those that no branch of the remote has."""
    return git.text(
        "rev-list", "--topo-order", "--reverse", head, "--not", base_sha, "--branches"
    ).split()


def _read(git: Git, names: list[str]) -> dict[str, bytes]:
    """Each commit as git stores it; `--batch` prints `NAME TYPE SIZE`, the bytes, a line end."""
    asked = "".join(f"{name}\n" for name in names).encode()
    try:
        printed = git.run("cat-file", "--batch", stdin=asked, most_bytes=MOST_COMMITS_BYTES).stdout
    except GitError as error:
        if error.retryable:
            raise
        raise BundleRejectedError(f"The run's commits cannot be read: {error.message}") from None
    found: dict[str, bytes] = {}
    place = 0
    for name in names:
        end = printed.index(b"\n", place)
        kind, size = printed[place:end].split(b" ")[1:3]
        if kind != b"commit":
            raise BundleRejectedError("The run's branch leads to something else than commits.")
        found[name] = printed[end + 1 : end + 1 + int(size)]
        place = end + 2 + int(size)
    return found


def _parsed(content: bytes) -> _Commit:
    head, _, message = content.partition(b"\n\n")
    lines = head.split(b"\n")
    trees = [line[5:] for line in lines if line.startswith(b"tree ")]
    encodings = [line[9:] for line in lines if line.startswith(b"encoding ")]
    if len(trees) != 1:
        raise BundleRejectedError("A commit of the run has not one tree.")
    return _Commit(
        tree=trees[0],
        parents=tuple(line[7:].decode("ascii") for line in lines if line.startswith(b"parent ")),
        authored=_time(lines, b"author "),
        committed=_time(lines, b"committer "),
        message=_decoded(message, encodings[0] if encodings else b"utf-8"),
    )


def _time(lines: list[bytes], role: bytes) -> int:
    line = next((line for line in lines if line.startswith(role)), b"")
    found = _PERSON.fullmatch(line)
    return int(found[1]) if found else 0


def _decoded(message: bytes, encoding: bytes) -> str:
    """In the encoding that the commit names, as git and forges show it; else in UTF-8."""
    name, message = encoding.decode("ascii", "replace"), message[:_MESSAGE_BYTES]
    if _ENCODING.fullmatch(name) and (read := by_charset(message, name)) is not None:
        return read
    return message.decode("utf-8", "replace")


def _in_time(commit: _Commit, span: tuple[int, int], times: Mapping[str, int]) -> _Commit:
    """The commit with dates between its base and now; those outside were never true."""
    earliest, latest = span
    before = max((times.get(parent, earliest) for parent in commit.parents), default=earliest)
    committed = commit.committed if earliest <= commit.committed <= latest else before
    authored = commit.authored if earliest <= commit.authored <= latest else committed
    return _Commit(commit.tree, commit.parents, authored, committed, commit.message)


def _written(commit: _Commit, names: Mapping[str, str], rules: Rules) -> bytes:
    """The commit as git writes one: tree, parents, author, committer, and the message in UTF-8."""
    who = str(rules.identity).encode()
    lines = [b"tree " + commit.tree]
    lines += [b"parent " + names.get(parent, parent).encode() for parent in commit.parents]
    lines += [
        b"author %b %d +0000" % (who, commit.authored),
        b"committer %b %d +0000" % (who, commit.committed),
    ]
    return b"\n".join(lines) + b"\n\n" + rules.reword(commit.message).encode("utf-8", "replace")


def _name(content: bytes, length: int) -> str:
    """The name that git gives a commit: SHA-1, or SHA-256 where names are 64 characters long."""
    algorithm = "sha256" if length == 64 else "sha1"
    digest = hashlib.new(algorithm, b"commit %d\0" % len(content), usedforsecurity=False)
    digest.update(content)
    return digest.hexdigest()


def _write(git: Git, made: Mapping[str, bytes]) -> None:
    """Put the new commits into the repository, all by one process."""
    if not made:
        return
    with tempfile.TemporaryDirectory(prefix="paid-commits-") as folder:
        paths = list(_files(Path(folder), made))
        given = "".join(f"{path}\n" for path in paths).encode()
        written = git.run("hash-object", "-t", "commit", "-w", "--stdin-paths", stdin=given)
    if written.stdout.decode("ascii").split() != list(made):
        raise GitError("git names the run's commits otherwise than Paid does.")


def _files(folder: Path, made: Mapping[str, bytes]) -> Iterator[Path]:
    for name, content in made.items():
        path = folder / name
        path.write_bytes(content)
        yield path
