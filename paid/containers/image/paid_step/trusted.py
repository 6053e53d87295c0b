"""The repository's own agent configuration, as the base commit has it.

A branch may carry a changed `.claude/` or `.mcp.json` (from an earlier turn of the agent, or from
the people of a pull request). The agent starts with the base's version of these paths; its own
later edits are kept, and a path that it left alone goes back to what the branch had.
"""

from __future__ import annotations

import os

from .places import TREE, RepositoryError
from .repository import git, head
from .workspace import remove

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Sequence


def put_base_version(paths: Sequence[str], base_sha: str) -> tuple[str, ...]:
    """Replace each path that differs from the base; returns those that were replaced."""
    changed = _differing(paths, base_sha)
    for path in changed:
        _put(path, base_sha)
    return changed


def put_branch_version(replaced: Sequence[str], base_sha: str) -> None:
    """Undo the replacement where the agent did not touch the path."""
    edited = _differing(replaced, base_sha)
    for path in replaced:
        if path not in edited:
            _put(path, head())


def _differing(paths: Sequence[str], commit: str) -> tuple[str, ...]:
    """The paths whose version in the worktree is not the commit's, untracked files included."""
    if not paths:
        return ()
    places = [_literal(path) for path in paths]
    tracked = git("diff", "--name-only", "-z", commit, "--", *places, tree=True)
    others = git("ls-files", "--others", "-z", "--", *places, tree=True)
    names = [name for name in (tracked + others).split("\0") if name]
    return tuple(
        path for path in paths if any(name == path or name.startswith(f"{path}/") for name in names)
    )


def _put(path: str, commit: str) -> None:
    if ".." in path.split("/") or os.path.isabs(path):
        raise RepositoryError(f"not a path inside the repository: {path!r}")
    place = f"{TREE}/{path}"
    if os.path.isdir(os.path.dirname(place)):
        remove(place)
    if git("ls-tree", "--name-only", commit, "--", path, tree=True):
        git("restore", f"--source={commit}", "--worktree", "--", _literal(path), tree=True)


def _literal(path: str) -> str:
    return f":(literal,top){path}"
