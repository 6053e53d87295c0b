"""A small Python package with three issues worth doing, and the script that does them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

NAME = "demo/timespan"
CHECK = ("python3", "-m", "unittest")
"""The project's own check; it needs nothing but Python."""


@dataclass(frozen=True)
class SampleIssue:
    """An issue as its author wrote it."""

    title: str
    body: str


def files() -> dict[str, str]:
    """The repository's files, by path."""
    root = resources.files(__package__) / "repository"
    found = {}
    for folder in ("", "timespan", "tests"):
        for entry in (root / folder).iterdir() if folder else root.iterdir():
            if entry.is_file() and not entry.name.endswith(".pyc"):
                found[f"{folder}/{entry.name}".lstrip("/")] = entry.read_text(encoding="utf-8")
    return found


def issues() -> list[SampleIssue]:
    """The issues in the order of their numbers."""
    folder = resources.files(__package__) / "issues"
    texts = [(folder / f"{number}.md").read_text(encoding="utf-8") for number in (1, 2, 3)]
    return [_issue(text) for text in texts]


def _issue(text: str) -> SampleIssue:
    title, _, body = text.partition("\n")
    return SampleIssue(title.removeprefix("# ").strip(), body.strip() + "\n")
