"""What a script does, before it is said in the tools of one agent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """Run a shell command in the work tree."""

    command: str
    purpose: str = "Run a command"


@dataclass(frozen=True)
class Edit:
    """Replace the one place where `old` stands in a file."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Write:
    """Write a file whole; `fresh` says that it is not there yet."""

    path: str
    content: str
    fresh: bool = False


Action = Run | Edit | Write


@dataclass(frozen=True)
class Step:
    """Words, and the action that follows them."""

    words: str
    action: Action


@dataclass(frozen=True)
class Script:
    """Steps one after the other, and the words at the end."""

    steps: tuple[Step, ...]
    ending: str
    thought: str = ""
    """Shown before the first step, on wires that show thoughts."""
    ending_seconds: float = 0
    """How long the last words take; the steps do not wait."""
    endless: bool = False
    """Whether the last step is repeated for ever."""
