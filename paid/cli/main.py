"""Runs a command and turns its end into an exit code that scripts can rely on.

0 done · 1 failed · 2 what was given cannot be used · 3 not found · 4 a server or service does not
answer · 130 interrupted. `paid --help` says the same.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

from paid.cli.app import app
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


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command that the arguments name, and end the process with its exit code."""
    end_process(run(sys.argv[1:] if argv is None else argv))


def run(argv: Sequence[str]) -> int:
    """Run a command and return its exit code."""
    try:
        app(args=list(argv), prog_name="paid")
    except SystemExit as end_of_command:
        return _code(end_of_command)
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
    return 0


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
    code = end_of_command.code
    if code is None:
        return 0
    return code if isinstance(code, int) else FAILED


def _say_error(error: PaidError, argv: Sequence[str]) -> None:
    if "--debug" in argv:
        traceback.print_exception(error)
    if "--json" in argv:
        told = {"code": error.code, "message": error.message, "hint": error.hint}
        print(json.dumps({"error": told}), file=sys.stderr)
    else:
        complain(error.message, error.hint)


def _say_unforeseen(error: Exception, argv: Sequence[str]) -> None:
    if "--debug" in argv:
        traceback.print_exception(error)
        return
    complain(
        f"This should not have happened: {type(error).__name__}: {error}",
        "Run the same with `paid --debug …` to see where, and tell us.",
    )
