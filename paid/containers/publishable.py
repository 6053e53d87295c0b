"""What git would publish otherwise than it lies in the worktree: filters, submodules, repositories.

Nothing of this can be mended by pushing it, and nearly all of it by the agent: so each finding says
what to do to a person and to the agent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from paid.containers.attributes import filters_of
from paid.containers.git import Git
from paid.errors import UnpublishableError

_LFS = "lfs"
_LINK = b"160000"
_NAMED = 10


@dataclass(frozen=True)
class Gaps:
    """What the agent's last container could not take: paths of folders in the worktree.

    `repositories` are git repositories inside it, `submodules` those that are not there and have
    files in their folder all the same. `left_out` is litter: how many files, by its root.
    """

    repositories: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)


NO_GAPS = Gaps()


@dataclass(frozen=True)
class _Entry:
    """A path that a commit of the run changes. `blob` is what it becomes."""

    path: bytes
    mode: bytes
    was: frozenset[bytes]
    blob: bytes

    @property
    def is_file(self) -> bool:
        return self.mode.startswith(b"100") and self.blob not in self.was


@dataclass(frozen=True)
class _Finding:
    """Why the change cannot be published, what a person can do, and what the agent."""

    said: str
    hint: str
    for_agent: str


def require_publishable(
    git: Git, base_sha: str, head_sha: str, raw_filters: Collection[str], gaps: Gaps
) -> None:
    """Raise UnpublishableError where the change would lose or give away something of it.

    Raises ChangeTooLargeError where git cannot list that within the limits of a change.
    """
    entries = list(_entries(git.of_change(), base_sha, head_sha))
    found = [
        *_of_filters(git, base_sha, head_sha, entries, raw_filters),
        *_of_links(entries),
        *_of_gaps(gaps),
    ]
    _refuse(found)


def require_taken(gaps: Gaps) -> None:
    """Raise UnpublishableError where files of the agent's worktree could not be committed."""
    _refuse(list(_of_gaps(gaps)))


def _refuse(found: Sequence[_Finding]) -> None:
    if found:
        raise UnpublishableError(
            " ".join(finding.said for finding in found),
            hint=" ".join(dict.fromkeys(finding.hint for finding in found)),
            for_agent="\n".join(f"{finding.said} {finding.for_agent}" for finding in found),
        )


def _entries(git: Git, base_sha: str, head_sha: str) -> Iterator[_Entry]:
    """Every change of every commit that is the run's own; of merges what no parent has.

    `:OLDMODE NEWMODE OLD NEW STATUS`, NUL, the path; a merge has a colon, an old mode and an old
    name for each parent.
    """
    printed = git.run(
        "log", "-c", "--raw", "-z", "--no-abbrev", "--no-renames", "--format=",
        head_sha, "--not", base_sha, "--branches",
    ).stdout  # fmt: skip
    fields = iter(printed.split(b"\0"))
    for part in fields:
        head = part.lstrip(b"\n")
        if not head.startswith(b":"):
            continue
        parents = len(head) - len(head.lstrip(b":"))
        words = head.lstrip(b":").split(b" ")
        modes, names = words[: parents + 1], words[parents + 1 : 2 * parents + 2]
        yield _Entry(next(fields), modes[-1], frozenset([*modes[:-1], *names[:-1]]), names[-1])


def _of_filters(
    git: Git, base_sha: str, head_sha: str, entries: Iterable[_Entry], raw: Collection[str]
) -> Iterator[_Finding]:
    files = [entry for entry in entries if entry.is_file]
    paths = sorted({entry.path for entry in files})
    now, before = (filters_of(git, tree, paths) for tree in (head_sha, base_sha))
    # an attribute that the agent took away still says what must not go out in plain text
    named = {**{path: name for path, name in before.items() if name != _LFS}, **now}
    named = {path: name for path, name in named.items() if name not in raw}
    if not named:
        return
    known = _blobs(git, base_sha)
    new = [entry for entry in files if entry.path in named and entry.blob not in known]
    for name in sorted({named[entry.path] for entry in new}):
        yield _of_filter(name, sorted({entry.path for entry in new if named[entry.path] == name}))


def _of_filter(name: str, paths: list[bytes]) -> _Finding:
    shown = _listed(path.decode("utf-8", "replace") for path in paths)
    if name == _LFS:
        return _Finding(
            f"Git LFS keeps {shown}, by .gitattributes, and Paid puts nothing there: the content"
            " would become part of the repository itself, or a pointer that leads nowhere.",
            "A person has to add such files; or let .gitattributes leave them to git.",
            "Leave such files as they were, in every commit. If the issue cannot be resolved"
            " without them, say so at the end.",
        )
    return _Finding(
        f"{shown} would be published in plain text: .gitattributes names the git filter {name!r}"
        " for it, which Paid does not run.",
        f"A person has to make this change; or, if such files may go out as they are, `paid project"
        f" set OWNER/REPO --raw-filter {name}`.",
        "Leave such files as they were, in every commit, and do not change .gitattributes for"
        " them.",
    )


def _blobs(git: Git, tree: str) -> frozenset[bytes]:
    """The names of the tree's files' contents: what was only moved is at the remote already."""
    listed = git.run("ls-tree", "-r", "-z", tree).stdout.split(b"\0")
    return frozenset(entry.split(b" ", 2)[2][:64].split(b"\t")[0] for entry in listed if entry)


def _of_links(entries: Iterable[_Entry]) -> Iterator[_Finding]:
    new = sorted(
        {entry.path for entry in entries if entry.mode == _LINK and _LINK not in entry.was}
    )
    if new:
        shown = _listed(path.decode("utf-8", "replace") for path in new)
        yield _Finding(
            f"{shown} would become a submodule whose commits nobody else has.",
            "A person has to add a submodule.",
            "It is a git repository of its own inside the worktree. If its files belong to this"
            " change, remove its .git and commit them as files; if not, take it out, in every"
            " commit.",
        )


def _of_gaps(gaps: Gaps) -> Iterator[_Finding]:
    if gaps.repositories:
        yield _Finding(
            f"{_listed(gaps.repositories)} is a git repository of its own inside the worktree, so"
            " its files are in no commit of this change.",
            "Label the issue again, and say there where the files belong.",
            "If its files belong to this change, remove its .git; if not, remove the folder.",
        )
    if gaps.submodules:
        yield _Finding(
            f"Files lie in {_listed(gaps.submodules)}, a submodule that is not there: they belong"
            " to another repository and would be lost.",
            "Make the change in the submodule's own repository.",
            "Remove them from there; what this change needs must lie outside of submodules.",
        )


def _listed(paths: Iterable[str]) -> str:
    named = list(paths)
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(repr(path) for path in named[:_NAMED]) + more
