"""Text that programs wrote, made safe to look at.

What an agent prints may carry escape sequences that repaint the screen, set the clipboard (OSC 52),
hide links (OSC 8) or overwrite a line by going back to its start; and characters that reverse the
direction of reading. In a page they are at best noise: they are taken out, and nothing that was
printed is hidden by what came after it.
"""

from __future__ import annotations

import re

_ESCAPES = re.compile(
    r"""
      (?:\x1b\]|\x9d) [^\x07\x1b\x9c]* (?:\x07|\x1b\\|\x9c|(?=\x1b)|\Z)    # OSC … BEL or ST
    | (?:\x1b[PX^_]|[\x90\x98\x9e\x9f]) [^\x1b\x9c]* (?:\x1b\\|\x9c|(?=\x1b)|\Z)  # DCS SOS PM APC
    | (?:\x1b\[|\x9b) [0-?]* [ -/]* [@-~]?                                 # CSI
    | \x1b [ -/]* [0-~]?                                                   # other escapes
    """,
    re.VERBOSE,
)
_LINE_ENDS = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without escapes and controls; line ends are newlines, tabs stay."""
    text = _ESCAPES.sub("", text)
    text = _LINE_ENDS.sub("\n", text)
    text = _CONTROLS.sub("", text)
    text = _SURROGATES.sub("\ufffd", text)
    return _DIRECTIONS.sub("\ufffd", text)


def shortened(text: str, most_chars: int) -> str:
    """At most `most_chars` of the plain text, with a mark where it was cut."""
    text = plain(text[: 4 * most_chars])
    return text if len(text) <= most_chars else text[:most_chars].rstrip() + " …"
