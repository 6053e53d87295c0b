"""Looking for secrets in what is about to be published.

Paid's own secrets are looked for in many forms (`secret_needles`), everybody's keys by the shapes
that their issuers gave them (`secret_shapes`), both in a text and in all that it may be read as
(`secret_escapes`, `secret_decoding`, `secret_packed`), and that again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from paid.containers.secret_decoding import decoded
from paid.containers.secret_escapes import from_mainframe, otherwise, plain
from paid.containers.secret_needles import OwnSecrets
from paid.containers.secret_packed import unpacked
from paid.containers.secret_shapes import keys_in
from paid.errors import ChangeTooLargeError

OURS = "one of Paid's own secrets"
_MIB = 1024 * 1024
DEEPEST = 4
"""Readings of readings: base64 of gzip of hex of UTF-16 is found."""
_PIECE_BYTES = _MIB
_OVERLAP_BYTES = 16 * 1024
"""Of two pieces: no key, and no line of one in some encoding, is as long."""
_MOST_HITS = 10_000
"""Known values are subtracted later, so a limit that only leaves some out would hide a new one."""
_Found = tuple[str, bytes, int]
"""A kind, a value, and where in the text."""


@dataclass(frozen=True)
class Hit:
    """A secret that was found: its kind, its bytes, and in which line (None where none can be
    told: in a binary file)."""

    kind: str
    value: bytes = field(repr=False)
    line: int | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the value: names it without telling it."""
        return fingerprint_of(self.value)


def fingerprint_of(value: bytes) -> str:
    """How a value is named on an allow-list and in the record; SHA-256 in hex."""
    return hashlib.sha256(value).hexdigest()


class Budget:
    """How many bytes may be looked through in all: what is given, and what that is read as.

    `seconds` are of this thread's processor, from the first byte on; None is without end.
    """

    def __init__(
        self,
        most_bytes: int = 1024 * _MIB,
        most_packed_bytes: int = 256 * _MIB,
        seconds: float | None = None,
    ) -> None:
        self._left, self._packed_left = most_bytes, most_packed_bytes
        self._seconds, self._began = seconds, time.thread_time()

    @classmethod
    def small(cls) -> Budget:
        """For what is looked through in the worker itself, beside its other work."""
        return cls(64 * _MIB, 4 * _MIB, seconds=2)

    def take(self, count: int) -> None:
        """Raises ChangeTooLargeError when nothing is left: what was not looked at may hold all."""
        self._left -= count
        if self._left < 0 or self._is_late():
            raise ChangeTooLargeError("The change is too large to be looked through for secrets.")

    def _is_late(self) -> bool:
        return self._seconds is not None and time.thread_time() - self._began > self._seconds

    def room(self) -> int:
        """How much one packed stream may become; asked before each place that looks like one."""
        self.take(0)
        return self._packed_left

    def take_packed(self, count: int) -> None:
        """Count what was unpacked."""
        self._packed_left -= count
        if self._packed_left < 0:
            raise ChangeTooLargeError(
                "What is packed in the change is too large to be looked through for secrets."
            )


class SecretScan:
    """Looks through texts and files; the budget is of all of them together."""

    def __init__(self, secrets: Iterable[str] = (), budget: Budget | None = None) -> None:
        self._own = OwnSecrets(secrets)
        self._budget = budget or Budget()

    def hits(self, data: bytes) -> list[Hit]:
        """Every secret in a text or file, each value once."""
        found: dict[tuple[str, bytes], Hit] = {}
        for hit in self._read(data):
            found.setdefault((hit.kind, hit.value), hit)
            if len(found) > _MOST_HITS:
                raise ChangeTooLargeError(
                    f"The change is too large to be looked through for secrets: more than"
                    f" {_MOST_HITS} values in one file look like one."
                )
        return list(found.values())

    def _read(self, data: bytes) -> Iterator[Hit]:
        for kind, value, at in self._look(data, 0):
            yield Hit(kind, value, _line(data, at))

    def _look(self, data: bytes, depth: int) -> Iterator[_Found]:
        """A text, or a reading of one, in pieces, and what is packed in it as a whole."""
        for start in range(0, max(1, len(data)), _PIECE_BYTES):
            begin = max(0, start - _OVERLAP_BYTES)
            for kind, value, at in self._look_at_piece(data[begin : start + _PIECE_BYTES], depth):
                yield kind, value, begin + at
        yield from self._look_inside(data, depth)

    def _look_at_piece(self, text: bytes, depth: int) -> Iterator[_Found]:
        yield from self._secrets_in(text)
        bare = plain(text)
        if bare != text:
            yield from self._at_the_beginning(self._secrets_in(bare), text)
            yield from self._at_the_beginning(self._look_inside(bare, depth), text)
        if depth < 2 and (mainframe := from_mainframe(text)):
            yield from self._secrets_in(mainframe)
        if depth == DEEPEST:
            return
        yield from self._look_at_decoded(bare, text, depth)
        for reading in otherwise(bare):
            yield from self._at_the_beginning(self._secrets_in(reading.text), text)
            if reading.is_encoded:
                yield from self._look_at_decoded(reading.text, text, depth)

    def _look_at_decoded(self, bare: bytes, text: bytes, depth: int) -> Iterator[_Found]:
        inside = decoded(bare, first=text if depth == 0 else b"")
        if inside.parts:
            for kind, value, at in self._look(inside.text(), depth + 1):
                yield kind, value, min(inside.origin(at), len(text))

    def _look_inside(self, data: bytes, depth: int) -> Iterator[_Found]:
        if depth == DEEPEST:
            return
        for inside, at in unpacked(data, self._budget.room):
            self._budget.take_packed(len(inside))
            for kind, value, _ in self._look(inside, depth + 1):
                yield kind, value, at

    def _secrets_in(self, text: bytes) -> Iterator[_Found]:
        self._budget.take(len(text))
        if (own := self._own.found_in(text)) is not None:
            yield OURS, own, max(0, text.find(own))
        for key in keys_in(text):
            yield key.name, key.value, key.at

    @staticmethod
    def _at_the_beginning(found: Iterator[_Found], text: bytes) -> Iterator[_Found]:
        """Places in another reading mean nothing in the text, unless the value itself is there."""
        for kind, value, _ in found:
            yield kind, value, max(0, text.find(value[:6]))


def _line(data: bytes, at: int) -> int | None:
    """The number of the line, from 1; None in a binary file, as git tells one."""
    if b"\0" in data[:8000]:
        return None
    return data.count(b"\n", 0, at) + 1
