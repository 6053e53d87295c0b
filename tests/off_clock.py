"""Processes whose clock is off: libfaketime moves it, and leaves them everything else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from paid.setup.test_tools import faketime_library
from paid.store.database import Database

T = TypeVar("T")


def environment(offset: str) -> dict[str, str]:
    """What a process is started with so that its clock is off, by `+1h` for example."""
    return {
        "LD_PRELOAD": str(faketime_library()),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a clock that is set wrong ticks as any other
        "PYTHONPATH": str(Path(__file__).with_name("faketime")),
    }


def stepping(file: Path) -> dict[str, str]:
    """The same for a clock that is as far off as a file says, which is read anew each second."""
    fixed = environment("")
    del fixed["FAKETIME"]
    return fixed | {"FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1"}


class Elsewhere:
    """A process on a host whose clock is off; it does what it is told."""

    def __init__(self, offset: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.off_clock"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | environment(offset),
        )  # fmt: skip

    def do(self, deed: Callable[..., T], *given: object) -> T:
        """Call a function of a module there, and return its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((deed, given), self._process.stdin)
        self._process.stdin.flush()
        failure, answer = pickle.load(self._process.stdout)  # noqa: S301 - our own process
        assert not failure, failure
        return answer  # type: ignore[no-any-return]

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database of a test, for a deed elsewhere."""
    database = Database(url, pool_size=1)
    yield database
    database.close()


def _main() -> None:
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # what a deed prints is no answer
        while True:
            deed, given = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the test
            try:
                said = ("", deed(*given))
            except Exception:
                said = (traceback.format_exc(), None)
            pickle.dump(said, answers)
            answers.flush()


if __name__ == "__main__":
    _main()
