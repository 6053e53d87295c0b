"""What is read of a JSON body: the members of its outermost object, and its conversation."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from paid.gateway.conversation import MEMBERS, look
from paid.gateway.seen import Seen

SPACE = b" \t\r\n"


class TwiceError(ValueError):
    """Raised when an object has a member twice."""


class BadBodyError(Exception):
    """Raised when a body is not one JSON object in UTF-8 that both sides must read alike."""


@dataclass
class Member:
    """The value of one member of the outermost object, and where it stands in the body."""

    value: Any
    key: int
    """Where its key begins."""
    start: int
    end: int
    after: int
    """Where the comma or the brace stands that follows it."""


@dataclass
class Scan:
    """What is read of a body on its way. `wanted` are the members whose values are kept.

    `wire` names the protocol by whose grammar the conversation is looked at; none without it.
    """

    wanted: frozenset[str]
    wire: str = ""
    members: dict[str, Member] = field(default_factory=dict)
    open: dict[str, int] = field(default_factory=dict)
    """Where a wanted member begins that has not ended yet: there is one at most."""
    open_key: int | None = None
    """Where a key begins that has not ended yet, so that nobody knows which it is."""
    seen: Seen = field(default_factory=Seen)
    opening: int = -1
    """Where the outermost object's brace stands; a member can be put in after it."""
    growth_bytes: int = 0
    """By how much a tokeniser may make the text longer (`growth`)."""
    closing: int | None = None
    """Where it ends: without this brace, nobody can take a body for whole."""

    def __post_init__(self) -> None:
        self.seen.wire = self.wire
        self._looked_at = MEMBERS.get(self.wire, frozenset())
        self._names, self._folded = _names(self.wanted, self._looked_at)
        self._keys: set[str] = set()

    def take_key(self, key: str) -> None:
        """Note a member's name. Raises ValueError for one that two readers may read differently."""
        folded = key.casefold()
        if folded in self._keys:
            raise ValueError(f"The member {key!r} is there twice.")
        self._keys.add(folded)
        if key not in self._names and folded.strip() in self._folded:
            raise ValueError(f"The member {key!r} is misspelt.")
        if not key.isprintable():
            raise ValueError(f"The member {key!r} has letters that cannot be read.")

    def look(self, key: str, value: Any) -> None:
        """Look at one member, or at one element of it, if it is of the conversation.

        Raises RefusedError.
        """
        if key in self._looked_at:
            look(self.seen, value)

    def look_at_each(self, key: str, value: Any) -> None:
        """The same for a whole member."""
        if key in self._looked_at:
            for one in value if isinstance(value, list) else (value,):
                look(self.seen, one)


@lru_cache
def _names(
    wanted: frozenset[str], looked_at: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The members that matter, as they are and in small letters: few pairs for many requests."""
    names = wanted | looked_at
    return names, frozenset(name.casefold() for name in names)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TwiceError("An object of the body has a member twice.")
    return found


STRICT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)
"""No NaN, and no member twice on any level: readers differ in what they make of those."""
