"""Text of strangers: an agent gets what a person sees, and what was hidden is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from paid.github.hidden_characters import without_hidden_characters
from paid.github.hidden_markup import without_hidden_markup
from paid.github.titles import seen_title

MOST_CHARS = 60_000
MOST_TITLE_CHARS = 300
"""GitHub takes 256."""
_LOOKED_AT_FACTOR = 4
_SAMPLE_CHARS = 120
CUT = "\n[… cut here by Paid: the text goes on]"


@dataclass(frozen=True)
class Finding:
    """Something that was taken out: its kind, how often, and the first of it, made visible."""

    kind: str
    count: int
    sample: str


@dataclass(frozen=True)
class Cleaned:
    """A text as it may be read, and what was taken out of it."""

    text: str
    findings: tuple[Finding, ...]
    truncated: bool


class _Findings:
    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._samples: dict[str, str] = {}

    def note(self, kind: str, what: str) -> None:
        """Count one, and keep the first as escaped ASCII, which cannot hide anything."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        shown = what[:_SAMPLE_CHARS].encode("unicode_escape").decode("ascii")
        self._samples.setdefault(kind, shown[:_SAMPLE_CHARS])

    def listed(self) -> tuple[Finding, ...]:
        """By kind, in the order of their first sight."""
        return tuple(
            Finding(kind, count, self._samples[kind]) for kind, count in self._counts.items()
        )


def clean(text: str, *, max_chars: int = MOST_CHARS) -> Cleaned:
    """Take out of Markdown what GitHub's page does not show; cut to `max_chars` with a marker.

    No more than four times `max_chars` is looked at, so that a text of a megabyte costs little.
    """
    findings = _Findings()
    looked_at = text[: max_chars * _LOOKED_AT_FACTOR]
    seen = without_hidden_characters(looked_at, findings.note)
    seen = without_hidden_markup(seen, findings.note)
    # markup that was taken out may have held two halves of something apart
    seen = without_hidden_characters(seen, findings.note).strip()
    truncated = len(seen) > max_chars or len(looked_at) < len(text)
    if truncated:
        seen = seen[:max_chars].rstrip() + CUT
    return Cleaned(seen, findings.listed(), truncated)


def clean_title(text: str, *, max_chars: int = MOST_TITLE_CHARS) -> Cleaned:
    """Take out of a title what cannot be seen, and nothing else: a title has no markup."""
    findings = _Findings()
    seen = seen_title(text, max_chars, findings.note)
    return Cleaned(seen, findings.listed(), truncated=len(text) > max_chars)


def hidden_in(title: str, body: str) -> tuple[str, ...]:
    """What is taken out of an issue's texts, in words for people: `HTML comment: 2`."""
    counts: dict[str, int] = {}
    for finding in (*clean_title(title).findings, *clean(body).findings):
        counts[finding.kind] = counts.get(finding.kind, 0) + finding.count
    return tuple(f"{kind}: {count}" for kind, count in counts.items())


def content_hash(title: str, body: str) -> str:
    """SHA-256 in hex over title and body as GitHub gave them; what is pinned when a label is set.

    The title's length goes in front, so that no text can move from one to the other.
    """
    raw = title.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(f"{len(raw)}:".encode() + raw)
    digest.update(body.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
