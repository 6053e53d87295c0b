"""Where things are in a container, as texts, and what a step ends with.

Before an agent runs, every millisecond of ours is multiplied by all the runs that start at once.
So what that takes (`agent` and what it imports) keeps to modules that load in no time: no pathlib,
no dataclasses, no typing, no subprocess, nor `json`, `socket`, `signal` and what else loads `enum`
and `re` (`core`). git's side of the work (`repository`, `modes`) is loaded when it is needed.
"""

from __future__ import annotations

MIRROR = "/mirror"
WORKSPACE = "/workspace"
REMOTE = f"{WORKSPACE}/repo.git"
TREE = f"{WORKSPACE}/tree"
OUT = f"{WORKSPACE}/out"
HOME = f"{WORKSPACE}/home"
STEPS = f"{WORKSPACE}/steps"
WORKTREE = f"{REMOTE}/worktrees/tree"
"""What git keeps of the worktree: its HEAD and its index."""
LATER = "later"
"""A file beside the task: there while other runs of the host start."""
BUNDLE = f"{OUT}/run.bundle"

DONE, FAILED = 0, 1
STARTED_BEFORE, NOT_TIGHT, REPOSITORY_TROUBLE = 96, 97, 98
GATEWAY_AWAY = 95
"""The work was not begun: the gateway did not answer, and another container may be luckier."""


class RepositoryError(Exception):
    """Raised when git in the container refuses; the text is for the run's record."""
