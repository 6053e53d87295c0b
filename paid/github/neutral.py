"""Text of strangers on GitHub's pages, with nothing active in it.

No mention, no reference, no closing keyword, no link, no image, no HTML. An invisible word joiner
breaks what GitHub looks for in plain words; a backslash or an entity what Markdown looks for.
"""

from __future__ import annotations

import re

from paid.github.commit_messages import without_skips
from paid.github.hidden_characters import without_hidden_characters
from paid.github.titles import seen_title

_BREAK = "\u2060"
_MARKUP = re.compile(r"[\\`*_{}\[\]()#+!|~$=]")
_BLOCK_START = re.compile(r"^([^\S\n]*+)([-+])(?! \S)", re.MULTILINE)
"""What could make a heading of the line above; lists may stay lists."""
_ADDRESS = re.compile(r"(?i)(https?|ftp|mailto|xmpp):(?=\S)")
"""Whatever stands before: `1https://x` and `_https://x` are links to GitHub."""
_WWW = re.compile(r"(?i)www(?=\.)")
"""Broken before its dot: a joiner behind it is a letter of the host, and browsers leave it out."""
_MENTION = re.compile(r"@(?=[A-Za-z0-9])")
_NUMBER = re.compile(r"(?i)(#|(?<![^\W_])gh-)(?=\d)")
_COMMAND = re.compile(r"^([^\S\n]*)/(?=[A-Za-z][\w-]*(?:\s|$))", re.MULTILINE)
"""`/approve`, `/hold`: bots take such lines of a body for orders of its author. A path has more
than one slash."""
_CUT = "…"
_BACKTICKS = re.compile(r"`+")


def neutralise(text: str, max_chars: int = 4000) -> str:
    """Several lines of text, safe anywhere in a comment or a pull request's body."""
    seen = without_hidden_characters(text, _not_told)
    if len(seen) > max_chars:
        seen = seen[:max_chars].rstrip() + _CUT
    return _escaped(seen)


def neutralise_title(text: str, max_chars: int = 300) -> str:
    """A title in a comment or a body, where all of it shows as it does on its own page."""
    return _escaped(seen_title(text, max_chars))


def _escaped(seen: str) -> str:
    broken = _unactive(seen)
    escaped = _MARKUP.sub(lambda match: "\\" + match[0], broken)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    escaped = _BLOCK_START.sub(lambda match: f"{match[1]}\\{match[2]}", escaped)
    return _without_commands(escaped)


def neutralise_inline(text: str, max_chars: int = 200) -> str:
    """The same on one line, for a heading, a list item or a title."""
    return neutralise(" ".join(text.split()), max_chars).strip()


def plain_title(text: str, max_chars: int = 200) -> str:
    """For a pull request's title, which has no Markdown but does have references and mentions.

    A squash merge makes a commit's subject of it, in which `[skip ci]` would be obeyed.
    """
    return _unactive(without_skips(seen_title(text, max_chars)))


def quoted(text: str, max_chars: int = 4000) -> str:
    """A block quote of the text."""
    return "\n".join(f"> {line}".rstrip() for line in neutralise(text, max_chars).split("\n"))


def code(text: str, max_chars: int = 200) -> str:
    """A code span of one line: paths, branches, commands.

    Nothing in it is active: a squash merge can make a commit's message of the body, in which code
    is no code.
    """
    line = " ".join(without_hidden_characters(text, _not_told).split())[:max_chars] or " "
    seen = _unactive(without_skips(line))
    longest = max((len(run) for run in _BACKTICKS.findall(seen)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if "`" in (seen[0], seen[-1]) else ""
    return f"{ticks}{pad}{seen}{pad}{ticks}"


def code_block(text: str, max_chars: int = 4000) -> str:
    """A fenced block, whose fence is longer than any run of backticks in it."""
    seen = without_hidden_characters(text, _not_told)
    if len(seen) > max_chars:
        seen = seen[:max_chars].rstrip() + "\n" + _CUT
    longest = max((len(run) for run in _BACKTICKS.findall(seen)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{_without_commands(_unactive(seen))}\n{fence}"


def _without_commands(text: str) -> str:
    return _COMMAND.sub(lambda match: f"{match[1]}{_BREAK}/", text)


def _unactive(text: str) -> str:
    for pattern in (_ADDRESS, _WWW, _MENTION, _NUMBER):
        text = pattern.sub(lambda match: match[0] + _BREAK, text)
    return text


def _not_told(kind: str, what: str) -> None:
    """What is shown to people needs no list of what was taken out."""
