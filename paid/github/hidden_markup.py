"""Markdown and HTML that GitHub does not show and a model reads.

What is code on the page stays as it is, because people see it there; where the code is, a real
Markdown parser says, since a comment that only looks as if it were in a code block is the trick.
Inside one paragraph the leftmost of code span, comment and tag wins, as in CommonMark.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt

from paid.github.hidden_blocks import without_hidden_blocks
from paid.github.hidden_characters import Note
from paid.github.hidden_math import without_hidden_block, without_hidden_formulas
from paid.github.hidden_tags import UNKNOWN_TAG, without_unknown_tags, without_unseen_tags

_COMMENT = r"<!--(?:-?>|.*?--!?>)"
_DECLARATION = r"<\?.*?\?>|<!\[CDATA\[.*?\]\]>|<![A-Za-z][^>]*>"
_ATTRIBUTE = r"""\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?"""
_TAG = rf"<(?P<tag>[A-Za-z][A-Za-z0-9-]*)(?P<attributes>(?:{_ATTRIBUTE})+)\s*/?>"
_IMAGE = r"!\[(?:[^\[\]]|\[[^\[\]]*\])*\](?:\((?:<[^>\n]*>|[^()\n]|\([^()\n]*\))*\)|\[[^\]\n]*\])?"
_TARGET = r"<[^<>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*"
_TITLE = r"""\s+(?:"[^"]*"|'[^']*'|\([^()]*\))"""
_LINK = (
    rf"\[(?P<shown>(?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*+(?P<target>{_TARGET})(?P<title>{_TITLE})?\s*\)"
)
_CODE = r"(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|`+"
_ESCAPED = r"\\[!-/:-@\[-`{-~]"
_AUTOLINK = r"<[A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]*>"

_IN_TEXT = re.compile(
    rf"(?P<kept>{_ESCAPED}|{_CODE}|{_AUTOLINK})|(?P<comment>{_COMMENT})"
    rf"|(?P<declaration>{_DECLARATION})|{_TAG}|(?P<unknown>{UNKNOWN_TAG})"
    rf"|(?P<image>{_IMAGE})|{_LINK}|(?P<open>[\0\1\2])",
    re.DOTALL,
)
_IN_HTML = re.compile(
    rf"(?P<comment>{_COMMENT})|(?P<declaration>{_DECLARATION})"
    r"|(?P<unseen><(?P<box>script|style|template|noscript|object|svg|math|head|select|datalist"
    r"|dialog|audio|video|canvas)\b.*?(?:</(?P=box)\s*>|\Z))"
    rf"|{_TAG}|(?P<image>{_IMAGE})|{_LINK}",
    re.DOTALL | re.IGNORECASE,
)
_UNCLOSED = re.compile(r"<!--.*|<[A-Za-z/][^>]*\Z|<[?!][^>]*\Z", re.DOTALL)
_LABEL = r"^[ >*+\-\d.)]{0,40}\[(?P<label>(?:[^\[\]\\]|\\.){1,999})\]:[ \t]*\n?[ \t]*"
_DEFINITION_TITLE = r"(?P<title>(?:[ \t]+|[ \t]*\n[ \t]*)(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?[ \t]*$"
_DEFINITION = re.compile(rf"{_LABEL}(?P<target><[^<>\n]*>|\S+){_DEFINITION_TITLE}", re.MULTILINE)
_ODD_DEFINITION = re.compile(rf"{_LABEL}(?P<target>\S*\(\S*){_DEFINITION_TITLE}", re.MULTILINE)
"""With an open bracket in its address, which is a definition to GitHub and text to the parser."""
_FAR_BELOW = re.compile(r"\n{6,}")
_FAR_RIGHT = re.compile(r"[ \t\u00a0\u2000-\u200a\u3000]{100,}")
_ROUNDS = 5


@dataclass(frozen=True)
class _Part:
    """Lines of one nature: `code`, `html`, `text` (one paragraph or heading) or `other`."""

    nature: str
    text: str


def without_hidden_markup(text: str, note: Note) -> str:
    """The text without what GitHub hides; again, until taking away reveals nothing more."""
    for _ in range(_ROUNDS):
        cleaned = _cleaned_once(without_hidden_blocks(text, note), note)
        if cleaned == text:
            break
        text = cleaned
    return text


def _cleaned_once(text: str, note: Note) -> str:
    done: list[str] = []
    count = cache(text.lower().count)
    for part in _parts(text):
        if part.nature == "code":
            done.append(without_hidden_block(part.text, note))
            continue
        pattern = _IN_TEXT if part.nature == "text" else _IN_HTML
        shown = part.text if part.nature == "html" else without_hidden_formulas(part.text, note)
        cleaned = pattern.sub(lambda match: _replacement(match, note), _marked(shown))
        if part.nature == "html":
            cleaned = without_unseen_tags(cleaned, note)
        elif part.nature == "other":
            cleaned = without_unknown_tags(cleaned, note)
        cleaned = _unmarked(cleaned)
        if part.nature == "other":
            cleaned = _DEFINITION.sub(lambda match: _definition(match, count, note), cleaned)
        if part.nature == "text":
            cleaned = _ODD_DEFINITION.sub(lambda match: _definition(match, count, note), cleaned)
        if part.nature == "html" and (unclosed := _UNCLOSED.search(cleaned)):
            # to a browser, everything from here on is inside the comment or the tag
            note("unclosed HTML", "".join([cleaned[unclosed.start() :], "…"]))
            done.append(cleaned[: unclosed.start()])
            break
        done.append(_nearer(cleaned, note))
    return "".join(done)


def _parts(text: str) -> Iterator[_Part]:
    """The text cut at the ends of blocks; put together again, it is the same."""
    lines = text.split("\n")
    ends = [line + "\n" for line in lines[:-1]] + [lines[-1]]
    at = 0
    for nature, first, last in _blocks(text):
        if first < at:
            continue
        if first > at:
            yield _Part("other", "".join(ends[at:first]))
        yield _Part(nature, "".join(ends[first:last]))
        at = last
    if at < len(ends):
        yield _Part("other", "".join(ends[at:]))


def _blocks(text: str) -> Iterator[tuple[str, int, int]]:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    natures = {"fence": "code", "code_block": "code", "html_block": "html", "inline": "text"}
    lines = text.split("\n")
    for token in parser.parse(text):
        # a table's cells share a line, and a code span cannot leave its cell: none is trusted
        nature = "other" if token.type == "table_open" else natures.get(token.type)
        if nature is not None and token.map is not None:
            if nature == "other" and lines[token.map[0]].lstrip(" >").startswith("<"):
                nature = "html"  # to GitHub a block of HTML begins before a table is looked for
            yield nature, token.map[0], token.map[1]


_OPENERS = {"\0": ("<!--", "->"), "\1": ("<?", "?>"), "\2": ("<![CDATA[", "]]>")}
"""Marks for openers that nothing closes: without, each would be looked for an end in vain, which
takes quadratic time. The marks cannot be in the text, control characters are gone from it."""


def _marked(text: str) -> str:
    for mark, (opener, closer) in _OPENERS.items():
        last = text.rfind(closer)
        text = text[: last + 1] + text[last + 1 :].replace(opener, mark)
    return text


def _unmarked(text: str) -> str:
    for mark, (opener, _) in _OPENERS.items():
        text = text.replace(mark, opener)
    return text


def _replacement(match: re.Match[str], note: Note) -> str:
    found = match.groupdict()
    if found.get("kept"):
        return _unmarked(match[0])
    for kind, words in _TAKEN.items():
        if found.get(kind) is not None:
            note(words, match[0])
            return "[image]" if kind == "image" else ""
    if found["tag"] is not None:
        note("HTML attributes", found["attributes"].strip())
        return f"<{found['tag']}>"
    return _link(match, note)


_TAKEN = {
    "comment": "HTML comment",
    "declaration": "HTML declaration",
    "unseen": "unseen HTML",
    "unknown": "unknown HTML tag",
    "image": "image",
    "open": "opened HTML",
}


def _link(match: re.Match[str], note: Note) -> str:
    """A link with words to click keeps its words and its address; its title is a tooltip."""
    shown, target = match["shown"], match["target"].strip("<>")
    if not shown.strip():
        note("link without words", match[0])
        return ""
    if any(character.isspace() for character in target):
        note("link target", target)
        return f"[{shown}]()"
    if match["title"]:
        note("link title", match["title"].strip())
        return f"[{shown}]({target})"
    return match[0]


def _definition(match: re.Match[str], count: Callable[[str], int], note: Note) -> str:
    """A definition is not shown: only what a link of the text uses may stay, without title.

    `count` tells how often the text has a piece, in small letters.
    """
    label, target = match["label"], match["target"].strip("<>")
    used, told = (count(f"[{label.lower()}]{behind}") for behind in ("", ":"))
    if used <= told or len(label) > 60 or any(character.isspace() for character in target):
        note("hidden link definition", match[0])
        return ""
    if match["title"]:
        note("link title", match["title"].strip())
    return f"[{label}]: {target}"


def _nearer(text: str, note: Note) -> str:
    """Text pushed out of sight, far below or far to the right, comes back into it."""
    for pattern, instead in ((_FAR_BELOW, "\n\n\n"), (_FAR_RIGHT, " ")):
        for match in pattern.finditer(text):
            note("far-off text", f"{len(match[0])} blanks")
        text = pattern.sub(instead, text)
    return text
