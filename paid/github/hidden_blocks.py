"""What GitHub's page leaves out of blocks that it shows, beyond CommonMark.

A footnote that nothing refers to, words behind the language of a code block, cells beyond those of
a table's head, and what a drawing does not show are on no page, but in the text. The rules are
those of cmark-gfm.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt

from paid.github import drawings
from paid.github.hidden_characters import Note

_MAY_HIDE = re.compile(r"\[\^|```|~~~|\|")
_FENCE = re.compile(r"([^`~]*(?:`{3,}|~{3,})[ \t]*[\w+#.-]{0,24})(.*)")
"""The name of a language stays, as those of Rust and C++ are."""
_FENCE_END = re.compile(r"[ \t>]*(?:`{3,}|~{3,})[ \t]*")
_ONE_COLUMN = re.compile(r"[ \t>]*(?:\|[ \t]*:?-+:?[ \t]*\|?|:?-+:?[ \t]*\||:-+:?|-+:)[ \t]*")
"""Below a line without a bar, which makes a table to GitHub alone."""
_BAR = re.compile(r"\\.|\|")
_HEAD = re.compile(r"[ \t>*+\-\d.)]{0,40}\[\^(?P<label>[^\]\s]+)\]:")
_INDENTED = re.compile(r" {0,3}(?:> ?)*(?: {4}|\t)")
_NEXT_BLOCK = re.compile(
    r" {0,3}(?:#{1,6}(?:[ \t]|$)|[*+-][ \t]+\S|1[.)][ \t]+\S|`{3,}[^`]*$|~{3})"
)
"""What ends a paragraph without an empty line; all else goes on with it."""
_NO_REFERENCE = re.compile(
    r"\\.|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)|`+"
    r"|\]\((?:[^()\n]|\([^()\n]*\))*\)|<[^<>\n]*>",
    re.DOTALL,
)
"""Escapes, code, targets of links, tags: brackets in them refer to nothing."""
_REFERENCE = re.compile(r"\[\^([^\]\s]+)\](?!\(|\[(?!\^))")


@dataclass
class _Seen:
    """What the parser says: lines of code, the beginnings of fences, how many cells a row has."""

    code: set[int] = field(default_factory=set)
    fences: list[int] = field(default_factory=list)
    drawings: list[tuple[str, int, int]] = field(default_factory=list)
    """Kind, first line inside, and the next line after the last one."""
    columns: dict[int, int] = field(default_factory=dict)
    paragraphs: list[tuple[int, str]] = field(default_factory=list)
    """First line and text."""


def without_hidden_blocks(text: str, note: Note) -> str:
    """The text without those parts of its blocks that are on no page."""
    if not _MAY_HIDE.search(text):
        return text
    lines = text.split("\n")
    seen = _seen(text)
    seen.columns = {**_single_columns(lines, seen.code), **seen.columns}
    for at in seen.fences:
        lines[at] = _kept(*_fence(lines[at]), "words behind a code block's language", note)
    for at, columns in seen.columns.items():
        lines[at] = _kept(*_row(lines[at], columns), "cells beyond a table's columns", note)
    hidden = set(_unseen_of_drawings(lines, seen, note))
    for first, end in _hidden_footnotes(lines, seen):
        note("footnote that nothing refers to", "\n".join(lines[first:end]))
        hidden.update(range(first, end))
    return "\n".join(line for at, line in enumerate(lines) if at not in hidden)


def _unseen_of_drawings(lines: list[str], seen: _Seen, note: Note) -> Iterator[int]:
    """The lines that no picture shows."""
    for kind, first, end in seen.drawings:
        unseen = [first + at for at in drawings.unseen_lines(kind, lines[first:end])]
        if unseen:
            note(f"what a drawing ({kind}) does not show", "\n".join(lines[at] for at in unseen))
        yield from unseen


def _kept(shown: str, hidden: str, kind: str, note: Note) -> str:
    if hidden.strip(" \t|"):
        note(kind, hidden.strip())
        return shown
    return shown + hidden


def _seen(text: str) -> _Seen:
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    seen, columns, lines = _Seen(), 0, text.split("\n")
    for token in parser.parse(text):
        first, end = token.map or (0, 0)
        if token.type in ("fence", "code_block"):
            seen.code.update(range(first, end))
            seen.fences += [first] if token.type == "fence" else []
            kind = token.info.strip().partition(" ")[0].lower()
            if kind in drawings.KINDS:
                is_closed = end > first + 1 and _FENCE_END.fullmatch(lines[end - 1])
                seen.drawings.append((kind, first + 1, end - 1 if is_closed else end))
        elif token.type == "inline":
            seen.paragraphs.append((first, token.content))
        elif token.type == "table_open":
            columns = 0
        elif token.type == "th_open":
            columns += 1
        elif token.type == "tr_open" and columns:
            seen.columns[first] = columns
    return seen


def _references(seen: _Seen, hidden: set[int]) -> set[str]:
    """The labels that something outside of all footnotes refers to."""
    found: set[str] = set()
    for first, text in seen.paragraphs:
        lines = enumerate(text.split("\n"), start=first)
        shown = "\n".join(line for at, line in lines if at not in hidden)
        found.update(label.lower() for label in _REFERENCE.findall(_NO_REFERENCE.sub(" ", shown)))
    return found


def _single_columns(lines: Sequence[str], code: set[int]) -> Mapping[int, int]:
    """The rows below heads of one column."""
    found: dict[int, int] = {}
    within = False
    for at, line in enumerate(lines):
        if within and line.strip(" \t>"):
            found[at] = 1
        else:
            within = at > 0 and at not in code and bool(_ONE_COLUMN.fullmatch(line))
            within = within and not _row(lines[at - 1], 1)[1].strip(" \t|")
    return found


def _fence(line: str) -> tuple[str, str]:
    found = _FENCE.fullmatch(line)
    return (found[1], found[2]) if found else (line, "")


def _row(line: str, columns: int) -> tuple[str, str]:
    """What is shown of a row, and what is not; a bar before the first cell ends none."""
    ended = -1 if line.lstrip(" \t>").startswith("|") else 0
    for bar in _BAR.finditer(line):
        ended += bar[0] == "|"
        if ended == columns:
            return line[: bar.end()], line[bar.end() :]
    return line, ""


def _hidden_footnotes(lines: Sequence[str], seen: _Seen) -> Iterator[tuple[int, int]]:
    """First and next line of each footnote that is not referred to, or told a second time."""
    footnotes = list(_footnotes(lines, seen.code))
    inside = {at for _, first, end in footnotes for at in range(first, end)}
    shown = _references(seen, inside)
    for label, first, end in footnotes:
        if label not in shown:
            yield first, end
        shown.discard(label)


def _footnotes(lines: Sequence[str], code: set[int]) -> Iterator[tuple[str, int, int]]:
    """Label, first and next line of each."""
    end = 0
    for at, line in enumerate(lines):
        if at >= end and at not in code and (head := _HEAD.match(line)):
            end = _end_of_footnote(lines, at)
            yield head["label"].lower(), at, end


def _end_of_footnote(lines: Sequence[str], first: int) -> int:
    """Behind its paragraph, and behind what is indented below that."""
    end, is_after_blank = first + 1, False
    for at in range(first + 1, len(lines)):
        line = lines[at]
        if not line.strip(" \t>"):
            is_after_blank = True
            continue
        is_other = is_after_blank or _NEXT_BLOCK.match(line) or _HEAD.match(line)
        if is_other and not _INDENTED.match(line):
            break
        end = at + 1
    return end
