"""What an agent wrote as a commit's message, as it may be published.

GitHub closes issues, notifies people, credits co-authors and skips checks by what stands in commit
messages, and so do the forges and services beside it. A message is plain text, which people also
read in terminals: so what is active gets a visible blank (`fixes # 1`, `@ acme`), where Markdown
gets an invisible joiner (`paid.github.neutral`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from paid.github.hidden_characters import ESCAPES, without_unseen_characters

MOST_SUBJECT_CHARS = 200
MOST_BODY_CHARS = 6000
MOST_BODY_LINES = 200
_CUT = "…"
_LOOKED_AT = 4 * MOST_BODY_CHARS

_TRAILER = re.compile(
    r"(?i)[ \t>*]*(?:(?!(?:count|filter|group|index|key|order|partition|sort|split|stand)-by\b)"
    r"[\w-]+-by[ \t]*:.*|cc[ \t]*:.*[@<].*"
    r"|(?:on-behalf-of|change-id|skip-checks?|release-as)[ \t]*:.*)"
)
"""Lines that speak for people (`Co-authored-by:`, `Signed-off-by:`, `Reviewed-by:`, `Cc:`), or that
tell a server what to do (`skip-checks: true`). `order-by: name` is a setting, and `cc: take -m32` a
subject about a compiler."""
_SKIP = re.compile(
    r"(?i)\[([^\[\]\n]{0,40}\b(?:skip|no)\b[^\[\]\n]{0,40}|[^\[\]\n]{0,40}(?:skip|no)[-_]"
    r"[^\[\]\n]{0,40}|[^\[\]\n]{0,40}[-_]skip[^\[\]\n]{0,40})\]"
)
"""`[skip ci]`, `[ci skip]`, `[no ci]`, `[skip actions]`, `[ci-skip]`, `[skip netlify]` …"""
_STARRED_SKIP = re.compile(r"(?i)\*{3}[ \t]*(no_ci|skip_ci)[ \t]*\*{3}")
_KEYWORD_LINK = re.compile(
    r"(?i)/(issues?|pull|pulls|discussions|commits?|merge_requests|work_items|epics)/(?=\w)"
)
_ACTIVE = (
    # to GitHub a digit, an underscore and an accented letter end the word before an address
    re.compile(r"(?ai)(?<![a-z])(?:https?|ftp|ssh|git|mailto|xmpp):(?=\S)"),
    re.compile(r"(?ai)(?<![a-z0-9])www\.(?=\S)"),
    re.compile(r"@(?=[^\W_])"),
    re.compile(r"#(?=\w)"),
    re.compile(r"(?i)(?<![^\W_])gh-(?=\d)"),
    re.compile(r"[!&%~$](?=\d)"),  # GitLab: merge requests, epics, milestones, labels, snippets
)


@dataclass(frozen=True)
class Message:
    """A message as it may be published; `changed` when it is not what the agent wrote."""

    text: str
    changed: bool


def publishable(
    text: str, otherwise: str, sign_off: str = "", reference: int | None = None
) -> Message:
    """The message with nothing active, nobody's signature and nothing hidden in it.

    `otherwise` is the subject of a message that is empty then. `sign_off` is the project's own
    identity, `Name <address>`: its own sign-off may stay, since nobody else is spoken for.
    `reference` is the number of an issue that may be named, `#7` or `GH-7`. The same text again
    stays as it is.
    """
    seen = _seen(text)
    lines = [line.rstrip() for line in seen.split("\n")]
    lines = [line for line in lines if not _speaks_for_others(line, sign_off)]
    subject, body = _parts(lines)
    subject = _cut(_inert(subject, "", reference)) or one_line(otherwise)
    body = _bounded(_inert(body, sign_off, reference))
    made = f"{subject}\n\n{body}\n" if body else f"{subject}\n"
    return Message(made, made != text)


def one_line(text: str) -> str:
    """Text of people as a subject: on one line, cut to its length, with nothing active in it."""
    return _cut(_inert(" ".join(_seen(text).split())))


def _cut(line: str) -> str:
    if len(line) <= MOST_SUBJECT_CHARS:
        return line
    return line[: MOST_SUBJECT_CHARS - 1].rstrip() + _CUT


def _seen(text: str) -> str:
    """The beginning of the text as a person sees it: a megabyte is not looked through.

    Entities stay: a message is no Markdown, so people see them as they are written.
    """
    text = text[:_LOOKED_AT].replace("\r\n", "\n").replace("\r", "\n")
    return without_unseen_characters(ESCAPES.sub("", text), _not_told)


def _not_told(kind: str, what: str) -> None:
    """Who reads a commit needs no list of what was taken out of it."""


def _speaks_for_others(line: str, sign_off: str) -> bool:
    return bool(_TRAILER.fullmatch(line)) and line != f"Signed-off-by: {sign_off}"


def _parts(lines: list[str]) -> tuple[str, str]:
    """Subject and body, as git takes them: the first paragraph is the subject, on one line."""
    text = "\n".join(lines).strip("\n")
    first, _, rest = text.partition("\n\n")
    head, *more = first.split("\n")
    body = "\n".join(more) + "\n\n" + rest if more else rest
    return head.strip(), re.sub(r"\n{3,}", "\n\n", body).strip("\n")


def _inert(text: str, sign_off: str = "", reference: int | None = None) -> str:
    own = f"Signed-off-by: {sign_off}"
    return "\n".join(
        line if sign_off and line == own else _inert_line(line, reference)
        for line in text.split("\n")
    )


def without_skips(line: str) -> str:
    """The line with words that make services leave out their checks in round brackets."""
    line = _STARRED_SKIP.sub(lambda match: f"({match[1]})", line)
    while (broken := _SKIP.sub(lambda match: f"({match[1]})", line)) != line:
        line = broken
    return line


def _inert_line(line: str, reference: int | None = None) -> str:
    line = without_skips(line)
    if reference is None:
        return _without_active(line)
    named = re.compile(rf"(?i)((?<![\w/.:@-])(?:#|gh-){int(reference)}(?!\w))")
    # each second piece is what the brackets above found
    pieces = enumerate(named.split(line))
    return "".join(piece if place % 2 else _without_active(piece) for place, piece in pieces)


def _without_active(line: str) -> str:
    line = _KEYWORD_LINK.sub(lambda match: f"/{match[1]}/ ", line)
    for pattern in _ACTIVE:
        line = pattern.sub(lambda match: f"{match[0]} ", line)
    return line


def _bounded(body: str) -> str:
    lines = body.split("\n")
    cut = "\n".join(lines[:MOST_BODY_LINES])[:MOST_BODY_CHARS].rstrip()
    return cut if cut == body else f"{cut[: MOST_BODY_CHARS - 2].rstrip()}\n{_CUT}"
