"""Code blocks that GitHub's page draws, so that nobody reads what they say.

Source: "Creating diagrams" in GitHub's documents; Mermaid's own on comments, directives and
accessibility. Formulas are in `hidden_math`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

MODELS = frozenset({"geojson", "topojson", "stl"})
"""Maps and solids: numbers to a reader, and any text that their members hold is on no page."""
DIAGRAM = "mermaid"
KINDS = MODELS | {DIAGRAM}
_UNSEEN_LINE = re.compile(r"[ \t>]*(?:%%|acc(?:Title|Descr)[ \t]*:)")
"""Comments, directives, and what only a screen reader is told."""
_UNSEEN_TEXT = re.compile(r"[ \t>]*accDescr[ \t]*\{")


def unseen_lines(kind: str, lines: Sequence[str]) -> Iterator[int]:
    """The places of those lines of a drawing that its picture does not show."""
    if kind in MODELS:
        yield from range(len(lines))
    if kind != DIAGRAM:
        return
    is_text = False
    for place, line in enumerate(lines):
        is_text = is_text or bool(_UNSEEN_TEXT.match(line))
        if is_text or _UNSEEN_LINE.match(line):
            yield place
        is_text = is_text and "}" not in line
