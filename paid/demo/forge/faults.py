"""The switches that make the forge fail the ways that GitHub and networks fail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal[
    "status", "timeout", "truncate", "garbage", "drop_after", "drop_before", "primary", "secondary"
]


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    status: answer `status`; timeout: hang for `seconds`, then hang up; truncate: half of the JSON;
    garbage: no JSON at all; drop_after: do it, then hang up; drop_before: hang up at once;
    primary: the hourly limit is used up and resets in `seconds`; secondary: too fast, come back in
    `seconds` (0 leaves the retry-after header out).
    """

    kind: FaultKind
    status: int = 500
    method: str = ""
    """Empty means any."""
    path: str = ""
    """A regular expression that the request's path must contain; empty means any."""
    seconds: float = 0
    times: int = 1
    """How many requests fail; -1 means every one from now on."""
    skip: int = 0
    """How many fitting requests are let through first."""


class Switches:
    """The faults that are still to come."""

    def __init__(self) -> None:
        self._left: list[list[int]] = []
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._faults.append(fault)
        self._left.append([fault.skip, fault.times])

    def clear(self) -> None:
        """Switch all faults off."""
        self._faults.clear()
        self._left.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault for this request, counted down."""
        for fault, left in zip(self._faults, self._left, strict=True):
            if left[1] == 0 or not _fits(fault, method, path):
                continue
            if left[0] > 0:
                left[0] -= 1
                continue
            left[1] -= 1
            return fault
        return None


def _fits(fault: Fault, method: str, path: str) -> bool:
    return fault.method in ("", method) and re.search(fault.path, path) is not None
