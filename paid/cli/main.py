"""Runs a command and turns its end into an exit code that scripts can rely on.

0 done · 1 failed · 2 what was given cannot be used · 3 not found · 4 a server or service does not
answer · 130 interrupted. `paid --help` says the same.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import cache
from typing import NoReturn

import typer

from paid.cli.app import COMMANDS, make_app
from paid.cli.output import complain
from paid.errors import (
    BadInputError,
    ConfigurationError,
    EmbeddedServiceError,
    GitHubNotFoundError,
    NotFoundError,
    PaidError,
)
from paid.process_end import end_process, was_interrupted

FAILED, BAD_INPUT, NOT_FOUND, UNAVAILABLE, INTERRUPTED = 1, 2, 3, 4, 130
USAGE = "usage"
"""The error's code for words on the command line that no command knows."""
UNFORESEEN = "unforeseen"
"""The error's code for what is a mistake of ours."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments name, and end the process with its exit code."""
    end_process(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        # for programs, also a wrong option is told in JSON, and not in a drawn box
        ended: object = _commands(_wanted(argv))(
            args=list(argv), prog_name="paid", standalone_mode="--json" not in argv
        )
    except SystemExit as end_of_command:
        return _code(end_of_command)
    except typer.TyperException as error:
        _tell(USAGE, _said(error), "The same with --help, and without --json, says what fits.")
        return BAD_INPUT
    except typer.Abort as abort:
        return INTERRUPTED if was_interrupted(abort) else FAILED
    except PaidError as error:
        if was_interrupted(error):
            return INTERRUPTED
        _say_error(error, argv)
        return exit_code(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if was_interrupted(error):
            return INTERRUPTED
        _say_unforeseen(error, argv)
        return FAILED
    return ended if isinstance(ended, int) else 0


def _wanted(argv: Sequence[str]) -> str | None:
    """The command that is named, if there is one; help and completion are about all."""
    words = [word for word in argv if word != "--debug"]
    return words[0] if words and words[0] in COMMANDS else None


@cache
def _commands(wanted: str | None) -> Callable[..., object]:
    """The commands, ready; typer makes them anew at every call of an app."""
    return typer.main.get_command(make_app(wanted))


def exit_code(error: PaidError) -> int:
    """The exit code for an error; `retryable` ones mean that something does not answer."""
    if isinstance(error, NotFoundError | GitHubNotFoundError):
        return NOT_FOUND
    if isinstance(error, BadInputError):
        return BAD_INPUT
    if error.retryable or isinstance(error, ConfigurationError | EmbeddedServiceError):
        return UNAVAILABLE
    return FAILED


def _code(end_of_command: SystemExit) -> int:
    """A command's own exit code; typer makes 1 of a Ctrl-C at a prompt."""
    code = end_of_command.code
    if code and was_interrupted(end_of_command):
        return INTERRUPTED
    if code is None:
        return 0
    return code if isinstance(code, int) else FAILED


def _said(error: typer.TyperException) -> str:
    """A usage error's sentence; the class that has it is not a public name of typer's."""
    sentence = getattr(error, "format_message", None)
    return str(sentence()) if callable(sentence) else str(error)


def _say_error(error: PaidError, argv: Sequence[str]) -> None:
    if "--debug" in argv:
        traceback.print_exception(error)
    if "--json" in argv:
        _tell(error.code, error.message, error.hint)
    else:
        complain(error.message, error.hint)


def _tell(code: str, message: str, hint: str | None) -> None:
    told = {"code": code, "message": message, "hint": hint}
    print(json.dumps({"error": told}), file=sys.stderr)


def _say_unforeseen(error: Exception, argv: Sequence[str]) -> None:
    if "--debug" in argv:
        traceback.print_exception(error)
    message = f"This should not have happened: {type(error).__name__}: {error}"
    hint = "Run the same with `paid --debug …` to see where, and tell us."
    if "--json" in argv:
        _tell(UNFORESEEN, message, hint)
    elif "--debug" not in argv:
        complain(message, hint)
