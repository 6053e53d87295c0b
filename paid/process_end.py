"""How every program of Paid ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """Flush and end without finalising the interpreter.

    The Temporal client's threads may meet a finalising interpreter and abort the process with
    signal 6 or 11, in 5 to 20 % of short programs on Python 3.11 (sdk-python issue 300); a wrong
    exit code breaks scripts and CI.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = code or 1
    os._exit(code)
