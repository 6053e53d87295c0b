"""Commands of a line whose failure bash goes on from, although it was told to stop at the first.

`set -e` leaves out every command of an `&&` list but its last, and what `!` turns round: in
`lint && test; build` a failing lint skips the tests, and the line is green by its build. Pure; the
syntax is that of the Bash Reference Manual, 4.3.1.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

_CONDITIONS = frozenset(("if", "elif", "while", "until", "case"))
"""Where these are, `&&` may belong to a question, and the line is left to who wrote it."""
_BEFORE_COMMANDS = frozenset(("{", "do", "then", "else", "time"))
_QUESTIONS = frozenset(("[", "[[", "test", "command", "type", "hash", "which", "grep"))
"""In front of `&&` these ask whether something is to be done; a no is no failure."""
_NEVER_FAIL = frozenset(("true", ":", "echo", "printf", "export", "set"))


@dataclass
class _List:
    """What was read of a list of commands, up to the next `;`."""

    command: list[str] = field(default_factory=list)
    unseen: list[str] | None = None
    has_or: bool = False


def unseen_failure(words: Sequence[str], operators: Collection[int]) -> list[str]:
    """A command whose failure leads on to the next line; empty where there is none.

    `operators` are the places of those words that are operators, and not quoted.
    """
    if not _CONDITIONS.isdisjoint(words):
        return []
    now, outer = _List(), list[_List]()
    for at, word in enumerate(words):
        if at not in operators or _redirects(words, at):
            now.command.append(word)
        elif word == "(":
            outer.append(now)
            now = _List()
        elif word == ")":
            now = outer.pop() if outer else now
        elif word == ";":
            after = words[at + 1] if at + 1 < len(words) else ")"
            if (unseen := _unseen(now)) and after not in ("}", ")"):
                return unseen
            now = _List(unseen=now.unseen if after == "}" else None)
        else:
            _go_on(now, word)
    return []


def _redirects(words: Sequence[str], at: int) -> bool:
    """Whether it is a part of `2>&1` or `&>file`."""
    beside = (*words[max(0, at - 1) : at], *words[at + 1 : at + 2])
    return words[at] in ("<", ">") or (words[at] == "&" and not {"<", ">"}.isdisjoint(beside))


def _go_on(now: _List, operator: str) -> None:
    if operator == "&&" and not _asks(now.command):
        now.unseen = now.unseen or now.command
    now.has_or |= operator == "||"
    if operator in ("&", ";;"):
        now.unseen, now.has_or = None, False
    now.command = []


def _unseen(now: _List) -> list[str] | None:
    if now.has_or:
        return None
    return now.command if _bare(now.command)[:1] == ["!"] else now.unseen


def _asks(command: Sequence[str]) -> bool:
    name = _bare(command)[:1]
    return not name or name == ["!"] or name[0] in _QUESTIONS | _NEVER_FAIL


def _bare(command: Sequence[str]) -> Sequence[str]:
    while command and command[0] in _BEFORE_COMMANDS:
        command = command[1:]
    return command
