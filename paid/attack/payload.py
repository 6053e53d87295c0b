"""Packs, objects and bundles with which an agent may attack the host's git: name, builder, end.

A builder makes a bundle; what is to come of it is the words of a refusal, or None where it is to be
taken. `try_payloads` tries them, and its caller measures memory and time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paid.attack.packing import Base, Pack

MIB = 1024 * 1024
Builder = Callable[[Pack], bytes]


@dataclass(frozen=True)
class Payload:
    """`refused` is a pattern of the refusal, None for what is taken, "" for either."""

    name: str
    build: Builder
    refused: str | None

    def bundle(self, base: Base) -> bytes:
        return self.build(Pack(base))


def enter_into(payloads: list[Payload], refused: str | None) -> Callable[[Builder], Builder]:
    """A decorator that enters a builder; its name, read aloud, is the payload's."""

    def enter(build: Builder) -> Builder:
        payloads.append(Payload(build.__name__.replace("_", " "), build, refused))
        return build

    return enter


LARGE = "larger than"
UNSOUND = "not sound"
NO_BUNDLE = "not a git bundle"
