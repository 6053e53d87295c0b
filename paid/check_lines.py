"""Checks as people type them: a program with its arguments, or a line for a shell.

A line without shell syntax is split into words, and its program is started as it is. A line that
holds shell syntax (`npm ci && npm test`, `CI=1 make`, `cd web`) is run by bash, which stops at the
first command that fails, and is stored and shown as the command that it is:
`bash -euo pipefail -c 'npm ci && npm test'`. Split into words, its `&&` would have been one more
argument, which most programs ignore: a failing test would have been green.

Pure; the syntax is that of the Bash Reference Manual, chapter 3.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from paid import check_greens
from paid.check_lists import unseen_failure
from paid.errors import BadInputError

BASH = ("bash", "-euo", "pipefail", "-c")
"""How GitHub's own workflows run a line of `shell: bash`, and unset variables are an error too."""

_OPERATORS = frozenset("|&;<>()")
_ACTIVE = _OPERATORS | frozenset("$`*?[\n")
"""What a shell reads in a bare word: operators, expansions, patterns, the end of a command."""
_ACTIVE_IN_DOUBLE_QUOTES = frozenset("$`")
_ALSO_ESCAPED = {"": "\n", '"': "$`\n"}
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_KEYWORDS = frozenset(
    """! [[ case coproc do done elif else esac fi for function if in select then time until while
    { }""".split()  # noqa: SIM905
)
_ONLY_PREPARES = frozenset(
    """. alias cd declare export hash local popd pushd readonly set shift shopt source trap typeset
    ulimit umask unalias unset""".split()  # noqa: SIM905
)
"""Commands that change the shell which runs them, and that end with it."""
_BUILTINS = _ONLY_PREPARES | frozenset(
    """: bg bind break builtin caller command compgen complete compopt continue dirs disown enable
    eval exec exit fc fg getopts help history jobs let logout mapfile read readarray return
    suspend times type wait""".split()  # noqa: SIM905
)
"""What only a shell knows; `echo`, `test`, `true` and their like are programs as well."""


def parse(line: str) -> list[str]:
    """A check as the command that runs it.

    Raises BadInputError for a line that names no program, has an open quote, or could be green
    although nothing was tested: one that only prepares a shell, or that nobody waits for.
    """
    argv = argv_of(line)
    if _is_line(argv):
        _refuse_what_tests_nothing(argv[-1])
    return argv


def argv_of(line: str) -> list[str]:
    """A command line as its arguments: bash's, where it needs a shell.

    Raises BadInputError for a line that names no program, and for an open quote.
    """
    line = line.strip()
    words, needs_shell, _ = _read(line)
    if not words or not words[0]:
        raise BadInputError(
            "A check is empty: it names no program.",
            hint="As in 'python3 -m unittest', or none for no checks.",
        )
    return [*BASH, line] if needs_shell else shlex.split(line)


def shown(argv: Sequence[str]) -> str:
    """A check as a person would type it; `parse` reads the same check from it."""
    return shlex.join(argv)


def on_one_line(argv: Sequence[str]) -> str:
    """The same where a text has one line for it: a line break in a word as bash's $'…' has it."""
    return " ".join(_escaped(word) if "\n" in word else shlex.quote(word) for word in argv)


def _escaped(word: str) -> str:
    for character, name in (("\\", "\\\\"), ("'", "\\'"), ("\n", "\\n")):
        word = word.replace(character, name)
    return f"$'{word}'"


def lines(text: str) -> list[str]:
    """The checks of a text, one a line; a line break within quotes belongs to its check."""
    found, quote, start = [], _Quote(), 0
    for index, character in enumerate(text):
        if character == "\n" and not quote.is_open:
            found.append(text[start:index])
            start = index + 1
            quote = _Quote()
        else:
            quote.take(character)
    return [line.strip() for line in [*found, text[start:]] if line.strip()]


def cannot_fail(argv: Sequence[str]) -> bool:
    """Whether the check is green whatever the commit holds, so that it says nothing about it."""
    if _is_line(argv):
        return _is_green(argv[-1], stops=True)
    if (inside := check_greens.nested(argv)) is not None:
        return _is_green(inside[0], stops=inside[1])
    is_true = check_greens.ends_well(argv) and argv[0] not in ("echo", "printf")
    return is_true or check_greens.is_told_to_be(argv)


def _is_green(line: str, stops: bool) -> bool:
    try:
        words = _read(line.strip())[0]
    except BadInputError:
        return False
    while words and words[-1] == ";":
        words.pop()
    found = list(_commands(words))
    if not found:
        return True
    if all(_only_prepares(command) or _ends_well(command) for command in found):
        return True
    stops = (stops or _sets("-e", found)) and not _sets("+e", found)
    alone = all(_only_prepares(command) for command in found[:-1])
    return check_greens.is_always_green(line, words, stops, alone) or found[-1] == ["wait"]


def _sets(option: str, found: Sequence[Sequence[str]]) -> bool:
    return any(command[0] == "set" and option in command for command in found)


def _is_line(argv: Sequence[str]) -> bool:
    return tuple(argv[:-1]) == BASH


class _Quote:
    """Which quotes are open behind the characters taken so far, as bash reads them."""

    def __init__(self) -> None:
        self._open = ""
        self._escaped = False
        self._comment = False
        self._last = " "

    @property
    def is_open(self) -> bool:
        """Within quotes, or behind a backslash."""
        return bool(self._open) or self._escaped

    @property
    def is_escaped(self) -> bool:
        """Behind a backslash."""
        return self._escaped

    @property
    def kind(self) -> str:
        """The open quote: ', ", $' or nothing; # in a comment."""
        return "#" if self._comment else self._open

    def take(self, character: str) -> bool:
        """Read one more; True when it stands for itself alone: quoted, escaped, or a comment."""
        last, self._last = self._last, character
        if self._comment:
            self._comment = character != "\n"
            return self._comment
        if self._escaped:
            self._escaped = False
            return True
        if self._open in ("'", "$'"):
            self._escaped = self._open == "$'" and character == "\\"
            self._open = "" if character == "'" else self._open
            return True
        if character == "\\":
            self._escaped = True
            return True
        if character == '"':
            self._open = "" if self._open else '"'
            return True
        if self._open:
            return character not in _ACTIVE_IN_DOUBLE_QUOTES
        if character == "'":
            self._open = "$'" if last == "$" else "'"
            return True
        self._comment = character == "#" and (last.isspace() or last in _OPERATORS)
        return False


class _Reader:
    """Splits a line into words and operators, and notices what only a shell understands."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.operators: set[int] = set()
        self.needs_shell = False
        self._word = ""
        self._begun = False
        self._bare = True  # nothing of the word was quoted so far

    def take(self, character: str, quote: _Quote, within: str, plain: bool) -> None:
        """One character; `within` is the quote before it, `plain` that it stands for itself."""
        if quote.kind == "#":
            self.needs_shell = True
            self._end()
        elif plain:
            self._take_quoted(character, within)
        elif within:  # an expansion in double quotes
            self.needs_shell = True
            self._add(character, bare=False)
        elif character.isspace() and character != "\n":
            self._end()
        elif character in _OPERATORS or character == "\n":
            self.needs_shell = True
            self._operator(";" if character == "\n" else character)
        else:
            self.needs_shell |= character in _ACTIVE or self._is_tilde(character)
            self._add(character, bare=True)

    def end(self) -> None:
        """The line is over."""
        self._end()
        self.needs_shell |= any(_is_for_a_shell(words) for words in _commands(self.words))

    def _take_quoted(self, character: str, within: str) -> None:
        self._begun, self._bare = True, False
        marks = "'" if within in ("'", "$'") else "'\"\\"
        self._word += "" if character in marks else character

    def _add(self, character: str, bare: bool) -> None:
        self._begun = True
        self._bare = self._bare and bare
        self._word += character

    def _is_tilde(self, character: str) -> bool:
        return character == "~" and not self._begun

    def _operator(self, character: str) -> None:
        joined = self.words[-1:] and self.words[-1] + character in ("&&", "||", ";;")
        if joined and not self._begun:
            self.words[-1] += character
            return
        self._end()
        self.operators.add(len(self.words))
        self.words.append(character)

    def _end(self) -> None:
        if not self._begun:
            return
        if self._bare and (_is_brace(self._word) or (not self.words and self._word in _KEYWORDS)):
            self.needs_shell = True
        self.words.append(self._word)
        self._word, self._begun, self._bare = "", False, True


def _read(line: str) -> tuple[list[str], bool, set[int]]:
    """The words of a line, whether it needs a shell, and which words are operators.

    Raises BadInputError.
    """
    quote, reader = _Quote(), _Reader()
    for character in line:
        within, escaped = quote.kind, quote.is_escaped
        plain = quote.take(character)
        reader.take(character, quote, within, plain)
        # bash drops a backslash before these, and shlex keeps it
        reader.needs_shell |= escaped and character in _ALSO_ESCAPED.get(within, "")
    if quote.is_open:
        raise BadInputError(
            f"The command {line!r} cannot be read: a quote is open.",
            hint="Write one command a line, as in 'pytest -q'.",
        )
    reader.end()
    return reader.words, reader.needs_shell, reader.operators


def _commands(words: Sequence[str]) -> Iterator[list[str]]:
    """The simple commands between the operators."""
    command: list[str] = []
    for word in words:
        if word and set(word) <= _OPERATORS and word not in ("<", ">"):
            if command:
                yield command
            command = []
        else:
            command.append(word)
    if command:
        yield command


def _is_brace(word: str) -> bool:
    return bool(re.search(r"\{[^{}]*(,|\.\.)[^{}]*\}", word))


def _is_for_a_shell(command: Sequence[str]) -> bool:
    return command[0] in _BUILTINS or bool(_ASSIGNMENT.match(command[0]))


def _refuse_what_tests_nothing(line: str) -> None:
    words, _, operators = _read(line)
    if words[-1] == "&":
        raise BadInputError(
            f"The check {line!r} ends in &: nobody would wait for how it ends.",
            hint="Leave the last & out; what runs beside the check goes before it.",
        )
    if all(_only_prepares(command) for command in _commands(words)):
        raise BadInputError(
            f"The check {line!r} tests nothing: each check has a shell of its own.",
            hint="Write it before the command that needs it, as in 'cd web && npm test'.",
        )
    if unseen := unseen_failure(words, operators):
        raise BadInputError(
            f"In the check {line!r} nobody would see that {shlex.join(unseen)!r} fails: bash goes"
            " on with what stands behind the next ;.",
            hint="Write && there instead of ;, or make two checks of it.",
        )


def _only_prepares(command: Sequence[str]) -> bool:
    rest = [word for word in command if not _ASSIGNMENT.match(word)]
    return not rest or rest[0] in _ONLY_PREPARES


def _ends_well(command: Sequence[str]) -> bool:
    return list(command) in (["true"], [":"], ["exit", "0"], ["exit"])
