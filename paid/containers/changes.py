"""What a run changed, read from the mirror, and whether it may be published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field

from paid.containers.git import Git
from paid.containers.secret_check import Allowed, Told, check_objects, told_in_texts
from paid.errors import GitError, PolicyError, SecretFoundError

SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
MOST_LIST_BYTES = 40 * 1024 * 1024
"""Of changed files, each of which takes twice its path and a hundred bytes: 150,000 files."""
_HELD_FOLDERS = (b".github/workflows", b".github/actions")
_PLAIN_DIFF = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")
_File = tuple[bytes, str, int | None, int | None]
"""Path, status, lines added and deleted, as git says them."""
_MOST_TOLD = 5
_CUT = "\n[… the rest of the diff is left out]\n"


@dataclass(frozen=True)
class ChangedFile:
    """A file between two commits.

    `status` is A, D, M or T (another type); counts are None for a binary file. `path` may hold
    U+FFFD for bytes that are no UTF-8.
    """

    path: str
    status: str
    added: int | None
    deleted: int | None


@dataclass(frozen=True)
class CommitSeen:
    """A commit of a run; every text in it is the agent's."""

    sha: str
    author: str
    subject: str
    body: str


@dataclass(frozen=True)
class Changes:
    """Everything between two commits; commits oldest first."""

    files: tuple[ChangedFile, ...]
    commits: tuple[CommitSeen, ...]

    @property
    def added(self) -> int:
        """Lines added in all."""
        return sum(file.added or 0 for file in self.files)

    @property
    def deleted(self) -> int:
        """Lines deleted in all."""
        return sum(file.deleted or 0 for file in self.files)


@dataclass(frozen=True)
class Policy:
    """What may be published without a person.

    `secrets` are ours that must never leave, such as the GitHub token and the model keys. People
    let values go by `allowed_values` (SHA-256 in hex), and files by `allowed_paths` (globs), in
    which all but our own secrets may be.
    """

    allow_workflow_changes: bool = False
    secrets: tuple[str, ...] = field(default=(), repr=False)
    allowed_paths: tuple[str, ...] = ()
    allowed_values: frozenset[str] = frozenset()

    def allowed(self) -> Allowed:
        """What people let go."""
        return Allowed(self.allowed_paths, self.allowed_values)


def check(git: Git, base_sha: str, head_sha: str, policy: Policy) -> Changes:
    """The changes, or PolicyError when they touch workflows, SecretFoundError for a secret."""
    git = git.of_change()
    files = list(_files(git, base_sha, head_sha))
    held = [_shown(path) for path, *_ in files if _is_held(path)]
    if held and not policy.allow_workflow_changes:
        raise PolicyError(
            f"The change touches {held[0]}, which decides what runs with the repository's rights.",
            hint="A person must look: allow workflow changes in the project's policy to let it go.",
        )
    _refuse(check_objects(git, base_sha, head_sha, policy.secrets, policy.allowed()))
    return _changes(files, _commits(git, base_sha, head_sha))


def check_texts(policy: Policy, *texts: str, known: Iterable[str] = ()) -> None:
    """Look through what is published beside the commits: a title, a body, a branch's name.

    The texts are to be as they were before anything escaped them. `known` are texts that are public
    already: a secret in them is not new. Raises SecretFoundError.
    """
    _refuse(told_in_texts(texts, known, policy.secrets, policy.allowed()))


def read_changes(git: Git, base_sha: str, head_sha: str) -> Changes:
    """Files and commits between two commits."""
    git = git.of_change()
    return _changes(_files(git, base_sha, head_sha), _commits(git, base_sha, head_sha))


def _changes(files: Iterable[_File], commits: Iterable[CommitSeen]) -> Changes:
    shown = (
        ChangedFile(_shown(path), status, added, deleted) for path, status, added, deleted in files
    )
    return Changes(tuple(shown), tuple(commits))


def read_diff(git: Git, base_sha: str, head_sha: str, most_bytes: int) -> str:
    """The patch as text, cut with a marker after `most_bytes`."""
    patch = bytearray()
    arguments = ("diff-tree", "-p", *_PLAIN_DIFF, _sha(base_sha), _sha(head_sha))
    for chunk in git.of_change().stream(*arguments):
        patch += chunk
        if len(patch) > most_bytes:
            return patch[:most_bytes].decode("utf-8", "replace") + _CUT
    return patch.decode("utf-8", "replace")


def _files(git: Git, base_sha: str, head_sha: str) -> Iterator[_File]:
    """With -z, --raw gives `:modes shas STATUS NUL path NUL`, then --numstat `A TAB D TAB path`."""
    arguments = ("diff-tree", "-r", "-z", "--raw", "--numstat", *_PLAIN_DIFF)
    listed = git.run(*arguments, _sha(base_sha), _sha(head_sha), most_bytes=MOST_LIST_BYTES)
    fields = iter(listed.stdout.split(b"\0"))
    statuses: dict[bytes, str] = {}
    for entry in fields:
        if entry.startswith(b":"):
            statuses[next(fields)] = entry[-1:].decode("ascii")
        elif entry:
            added, deleted, path = entry.split(b"\t", 2)
            yield path, statuses.get(path, "M"), _count(added), _count(deleted)


def _commits(git: Git, base_sha: str, head_sha: str) -> Iterator[CommitSeen]:
    printed = git.run(
        "log", "-z", "--reverse", "--no-decorate", "--no-show-signature", "--encoding=UTF-8",
        "--format=%H%x1f%an <%ae>%x1f%B", _sha(head_sha), f"^{_sha(base_sha)}",
    ).stdout  # fmt: skip
    for entry in printed.split(b"\0"):
        parts = entry.decode("utf-8", "replace").split("\x1f", 2)
        if len(parts) == 3:
            subject, _, body = parts[2].strip().partition("\n")
            yield CommitSeen(parts[0], parts[1], subject, body.strip())


def _is_held(path: bytes) -> bool:
    """Under a held folder, or such a folder itself turned into a file, link or submodule."""
    lowered = path.lower()
    return lowered == b".github" or any(
        lowered == folder or lowered.startswith(folder + b"/") for folder in _HELD_FOLDERS
    )


def _refuse(told: Sequence[Told]) -> None:
    if not told:
        return
    shown = "; ".join(f"{each.kind} in {each.place}" for each in told[:_MOST_TOLD])
    more = f"; and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
    raise SecretFoundError(
        f"The change holds {shown}{more}. Nothing was pushed.",
        hint="If that is no secret, or may be published, a person lets it go: `paid release`.",
        for_agent=f"The change may not be published, because it holds {shown}{more}."
        " Take it out of every commit, also of those that later ones undo: rewrite them. In a test"
        " use a value that no service takes for a key, or read it from the environment.",
        found=[asdict(each) for each in told],
    )


def _sha(value: str) -> str:
    if not SHA.fullmatch(value):
        raise GitError(f"{value[:80]!r} is not a commit's name.")
    return value


def _shown(path: bytes) -> str:
    return path.decode("utf-8", "replace")


def _count(value: bytes) -> int | None:
    return None if value == b"-" else int(value)
