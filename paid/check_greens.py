"""Lines that are green whatever a commit holds, and the programs that are told to be.

Pure; what a list of commands ends with is by the Bash Reference Manual, 3.2.4 and 3.2.5. Only what
is sure is said: other lines are left to who wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

_SAYS = frozenset(("echo", "printf"))
_PASS_ON = frozenset(("command", "builtin", "env", "exec"))
"""These end as the command behind them does."""
_OPENERS = frozenset(("{", "(", "then", "else", "do"))
_CLOSERS = frozenset((";", ")", "}", "&"))
_QUESTIONS = frozenset(("[", "[[", "test", "command", "type", "hash", "which", "grep", "((", "("))
_TOLD_TO_BE_GREEN = {
    "--exit-zero": (),
    "--issues-exit-code=0": (),
    "--fail-never": ("mvn", "mvnw"),
    "-fn": ("mvn", "mvnw"),
    "--ignore-errors": ("make", "gmake"),
    "-i": ("make", "gmake"),
}
"""Options, and the programs of which they say so; empty: of all that have one."""
_SHELLS = frozenset(("sh", "bash", "dash", "zsh", "ksh"))
_GREEN_TRAP = re.compile(r"(?:.*[;\s])?exit(?:\s+0+)?\s*", re.DOTALL)
_SAYS_WHAT_RAN = re.compile(
    r"\s*(?:echo|printf|export|declare|typeset|readonly)\s[^;&|<>\n]*\$\([^;&|\n()]*\)[^;&|\n]*"
)


def is_always_green(line: str, words: Sequence[str], stops: bool, alone: bool) -> bool:
    """Whether the line is; `words` are its own, and `stops` whether `set -e` holds.

    `alone`: what comes before its last command only prepares the shell.
    """
    if _SAYS_WHAT_RAN.fullmatch(line) or _ends_by_trap(words):
        return True
    if words[:1] == ["if"] and words.count("fi") == 1 and words[-1] == "fi":
        return _is_green_branch(words)
    while words and words[-1] in _CLOSERS:
        words = words[:-1]
    start = _start_of_last(words)
    before, last = [*words[:start]], words[start:]
    while before and before[-1] in _OPENERS:
        before.pop()
    goes_on = before[-1:] == ["||"] or (before[-1:] == [";"] and not stops)
    return (alone and is_told_to_be(last)) or (goes_on and ends_well(last))


def nested(argv: Sequence[str]) -> tuple[str, bool] | None:
    """The line that a shell of its own gets by -c, and whether it stops at what fails."""
    name = PurePosixPath(argv[0]).name if argv else ""
    if name not in _SHELLS:
        return None
    stops = False
    for at, word in enumerate(argv[1:], 1):
        if not word.startswith("-") or word.startswith("--"):
            return None
        stops |= "e" in word
        if "c" in word:
            return (argv[at + 1], stops) if at + 1 < len(argv) else None
    return None


def ends_well(command: Sequence[str]) -> bool:
    """Whether the command always ends with 0: `true`, `exit 0`, and what only says something."""
    words = list(command)
    while words and words[0] in (_OPENERS | _PASS_ON):
        words.pop(0)
    if not words:
        return False
    if words[0] == "exit":
        return bool(re.fullmatch(r"exit(?: 0+)?", " ".join(words)))
    return words == [":"] or words[0] in _SAYS or words in (["true"], ["/bin/true"],
                                                            ["/usr/bin/true"])  # fmt: skip


def is_told_to_be(argv: Sequence[str]) -> bool:
    """Whether an option says that the program is to end with 0 whatever it finds."""
    name = PurePosixPath(argv[0]).name if argv else ""
    if name == "find":
        return "-exec" in argv and ";" in argv and "+" not in argv
    return any(
        option in argv[1:] and (not names or name in names)
        for option, names in _TOLD_TO_BE_GREEN.items()
    )


def _ends_by_trap(words: Sequence[str]) -> bool:
    for at, word in enumerate(words[:-2]):
        if word == "trap" and not {"EXIT", "0", "ERR"}.isdisjoint(words[at + 2 : at + 4]):
            return bool(_GREEN_TRAP.fullmatch(words[at + 1]))
    return False


def _is_green_branch(words: Sequence[str]) -> bool:
    """Of an `if` on a program: whether the branch that its failure leads to is green."""
    if "elif" in words or "then" not in words or words[1] in _QUESTIONS:
        return False
    if words[1] == "!":
        if words[2] in _QUESTIONS:
            return False
        end = words.index("else") if "else" in words else -1
        return _is_green_body(words[words.index("then") + 1 : end])
    return "else" not in words or _is_green_body(words[words.index("else") + 1 : -1])


def _is_green_body(words: Sequence[str]) -> bool:
    commands = " ".join(words).strip(" ;").split(" ; ")
    return all(ends_well(command.split(" ")) for command in commands)


def _start_of_last(words: Sequence[str]) -> int:
    operators: Collection[str] = ("||", "&&", ";", "|", "&", "(", ")")
    return next((at + 1 for at in reversed(range(len(words))) if words[at] in operators), 0)
