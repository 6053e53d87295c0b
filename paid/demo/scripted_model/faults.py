"""The switches that make the scripted model fail the ways that vendors fail."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

FaultKind = Literal["delay", "status", "cut", "no_usage", "garbage", "drop"]


@dataclass(frozen=True)
class Fault:
    """One way to fail.

    delay: wait `seconds`, then answer; status: answer `status` with `headers`; cut: close the
    connection after `at_byte` bytes of the body; no_usage: leave the usage out; garbage: answer
    bytes that are no JSON; drop: close the connection without an answer.
    """

    kind: FaultKind
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    at_byte: int = 0
    seconds: float = 0
    times: int = 1
    """How many requests fail; -1 means every one from now on."""
    path: str = ""
    """A regular expression that the request's path must contain; empty means any."""


class Switches:
    """The faults that are still to come, each taken by the first request that it fits."""

    def __init__(self) -> None:
        self._left: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self._left.append((fault, fault.times))

    def clear(self) -> None:
        """Switch all faults off."""
        self._left.clear()

    def take(self, path: str) -> Fault | None:
        """The fault for this request, counted down."""
        for number, (fault, times) in enumerate(self._left):
            if re.search(fault.path, path):
                self._left[number] = (fault, times - 1)
                if times == 1:
                    del self._left[number]
                return fault
        return None
