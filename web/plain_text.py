"""Text that programs wrote, made safe to look at.

What an agent prints may carry escape sequences that repaint the screen, set the clipboard (OSC 52),
hide links (OSC 8) or overwrite a line by going back to its start; and characters that reverse the
direction of reading. In a page they are at best noise: they are taken out, and nothing that was
printed is hidden by what came after it.
"""

from __future__ import annotations

import re

from paid.plain import plain as without_escapes

_LINE_ENDS = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """The text without escapes and controls; line ends are newlines, tabs stay.

    Characters that change the direction of reading show as U+FFFD.
    """
    text = without_escapes(_LINE_ENDS.sub("\n", text), max_chars=max(1, len(text)))
    return _DIRECTIONS.sub("\ufffd", text)


def shortened(text: str, most_chars: int) -> str:
    """At most `most_chars` of the plain text, with a mark where it was cut."""
    text = plain(text[: 4 * most_chars])
    return text if len(text) <= most_chars else text[:most_chars].rstrip() + " …"
