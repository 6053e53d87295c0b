"""A request and an answer without any vendor's words; the four wires translate from and to them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
Json = dict[str, Any]


@dataclass(frozen=True)
class Tool:
    """A tool that the client declared. `freeform` tools take a text instead of JSON."""

    name: str
    properties: Json = field(default_factory=dict)
    required: tuple[str, ...] = ()
    freeform: bool = False


@dataclass(frozen=True)
class Entry:
    """One message so far; `calls` counts the tool calls in an assistant's message."""

    role: Role
    text: str = ""
    calls: int = 0


@dataclass(frozen=True)
class Ask:
    """What a client asks, whichever wire it came by."""

    model: str
    stream: bool
    entries: tuple[Entry, ...]
    tools: tuple[Tool, ...] = ()
    include_usage: bool = True
    wants_sealed_thoughts: bool = False
    """Whether thoughts come encrypted, to be sent again: the client stores nothing here."""


@dataclass(frozen=True)
class Call:
    """A tool call; `arguments` is a text for a freeform tool."""

    id: str
    name: str
    arguments: Json | str


@dataclass(frozen=True)
class Usage:
    """Tokens; `cached` and `cache_write` are parts of `input`, `reasoning` is one of `output`."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


@dataclass(frozen=True)
class Reply:
    """What the scripted model answers: a thought, words, and tool calls."""

    text: str = ""
    thought: str = ""
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Chunk:
    """A piece of a stream and how many tokens it carries, for pace and for the bill of a cut."""

    data: bytes
    tokens: int = 0
