"""What a conversation brings to a vendor: what its bytes bound, and what they do not.

Read by each protocol's own grammar, from decoded values: a tool's schema, a tool call's arguments
and every text are data, whatever words are in them. What is not of a known form is taken for input
that nobody here sees, which reserves the model's whole window.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paid.gateway.inline_data import Inline, read_inline
from paid.gateway.refusal import RefusedError
from paid.gateway.tools import check_tools

DEEPEST = 32
"""Blocks within blocks: a tool's result with a document whose content is blocks is four."""

PICTURES = {"chat": 2, "responses": 2}
"""What one picture counts there, in units of MEDIA_TOKENS; 1 elsewhere."""

_NAMES = frozenset(
    [
        "type",
        "role",
        "content",
        "source",
        "data",
        "url",
        "uri",
        "file_id",
        "file_ids",
        "file_url",
        "file_data",
        "filename",
        "image_url",
        "media_type",
        "text",
        "encrypted_content",
        "id",
        "output",
        "input_audio",
        "audio",
        "file",
        "parts",
        "inlineData",
        "inline_data",
        "fileData",
        "fileUri",
        "file_uri",
        "mimeType",
        "mime_type",
        "functionResponse",
        "function_response",
        "cache_control",
        "ttl",
        "tools",
        "tool",
        "definition",
        "arguments",
        "action",
        "operation",
    ]
)
"""Names that decide how something is read. Spelt otherwise, some readers take them all the same."""
_FOLDED = frozenset(name.casefold() for name in _NAMES)
_CACHING = frozenset({"type", "ttl", "scope"})
_REFERENCES = frozenset({"file_id", "file_ids", "fileUri", "file_uri", "container", "conversation"})


_OTHERS = ("image_url", "file_url", "video_url", "input_audio", "fileData", "inlineData")


@dataclass
class Seen:
    """What a conversation brings beside its text."""

    wire: str = ""
    pictures: int = 0
    """In units of what the dearest picture with one such unit costs."""
    data_bytes: int = 0
    """Bytes of pictures and documents, which are no text."""
    document_tokens: int = 0
    """The most that documents cost that could be looked into."""
    unseen: str = ""
    """The first thing that counts as input and is not in the bytes; empty without any."""
    sound: bool = False
    hour_cache: bool = False
    addresses: list[str] = field(default_factory=list)
    """What the vendor would fetch for the run."""
    tools_found: set[str] = field(default_factory=set)
    tools_repeated: int = 0
    """How often a tool is brought in by its name again: a vendor may put in its text each time."""
    lengths: dict[str, int] = field(default_factory=dict)
    """How long strings were in bytes that were too long to be kept, by the end of their rest."""

    def miss(self, what: object) -> None:
        """Note what is read that is not in the bytes."""
        self.unseen = self.unseen or str(what)[:60] or "an empty name"


def each(value: Any) -> Sequence[Any]:
    """Some readers take one value for a list of it."""
    return value if isinstance(value, list) else [value]


def open_object(seen: Seen, value: Any, depth: int) -> bool:
    """Whether it is an object, whose names are then as they should be; text is just text."""
    if depth > DEEPEST:
        raise RefusedError("The conversation is nested too deep: send its parts side by side.")
    if not isinstance(value, dict):
        if not isinstance(value, str | None):
            seen.miss("a part that is no object")
        return False
    for name in value:
        if name not in _NAMES and name.strip().casefold() in _FOLDED:
            raise RefusedError(f"The member {name!r} is misspelt.")
        if not name.isprintable():
            raise RefusedError(f"The member {name!r} has letters that cannot be read.")
    if seen.wire == "gemini":
        one_spelling(value)
    if not _REFERENCES.isdisjoint(value):
        for name in _REFERENCES & value.keys():
            if value[name]:
                seen.miss(name)
    if "cache_control" in value and is_for_an_hour(value["cache_control"]):
        seen.hour_cache = True
    return True


def one_spelling(value: Mapping[str, Any]) -> None:
    """Refuse a member in both of Gemini's spellings: nobody knows which one is read."""
    if len({name.replace("_", "").casefold() for name in value}) < len(value):
        raise RefusedError("A member is there in two spellings: leave one of them out.")


def is_for_an_hour(caching: Any) -> bool:
    """Whether what is marked like that may be written to a cache that costs twice the input."""
    if not caching:
        return False
    if not isinstance(caching, dict) or not caching.keys() <= _CACHING:
        return True
    return caching.get("type") != "ephemeral" or caching.get("ttl") not in (None, "5m")


def parts(kinds: Mapping[str, Callable[[Seen, Any, int], None]]) -> Callable[..., None]:
    """A reader of blocks by their `type`."""

    def read(seen: Seen, content: Any, depth: int) -> None:
        for part in content if isinstance(content, list) else (content,):
            if isinstance(part, list):
                seen.miss("a list within a list")
                look_inside(seen, part, depth + 1)
            elif open_object(seen, part, depth):
                kind = part.get("type")
                known = kinds.get(kind) if isinstance(kind, str) else None
                if known is not None:
                    known(seen, part, depth + 1)
                else:
                    seen.miss(kind or "a part without a type")
                    look_inside(seen, part, depth + 1)

    return read


def data(seen: Seen, part: Any, depth: int) -> None:
    """All that it brings is in its bytes, unless it has what other kinds bring."""
    for name in _OTHERS if isinstance(part, dict) else ():
        if part.get(name):
            seen.miss(f"a {part.get('type')} with {name}")
            look_inside(seen, {name: part[name]}, depth)
    if isinstance(part, dict) and part.get("type") == "text" and part.get("source"):
        seen.miss("a text with a source")
        look_inside(seen, part["source"], depth)


def look_inside(seen: Seen, value: Any, depth: int) -> None:
    """Addresses and tools in what is of no known form."""
    if depth > DEEPEST:
        raise RefusedError("The conversation is nested too deep: send its parts side by side.")
    if isinstance(value, list):
        for one in value:
            look_inside(seen, one, depth + 1)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in ("tools", "definition"):
                check_tools(seen.wire, one, is_sure=False)
            if name == "cache_control" and is_for_an_hour(one):
                seen.hour_cache = True
            if isinstance(one, str) and name.casefold().endswith(("url", "uri")):
                fetch(seen, one)
            look_inside(seen, one, depth + 1)


def fetch(seen: Seen, address: Any) -> bool:
    """Note what the vendor would fetch; whether it would. Pictures within an address are here."""
    if not isinstance(address, str) or not address:
        return False
    if address.lstrip().casefold().startswith("data:"):
        return False
    seen.addresses.append(address)
    return True


def take(seen: Seen, inline: Inline | None, what: str) -> None:
    """Count what is sent along: pictures and documents instead of their bytes."""
    if inline is None or inline.kind == "other":
        seen.miss(what)
    elif inline.kind == "sound":
        seen.sound = True
        seen.miss(what)
    elif inline.kind == "picture":
        seen.pictures += PICTURES.get(seen.wire, 1)
        seen.data_bytes += inline.size
    elif inline.kind == "document":
        if inline.tokens is None:
            seen.miss(what)
        else:
            seen.document_tokens += inline.tokens
            seen.data_bytes += inline.size


def picture_at(seen: Seen, address: Any, what: str) -> None:
    """A picture by its address: one that has its bytes in it, or one to be fetched."""
    if fetch(seen, address):
        seen.pictures += PICTURES.get(seen.wire, 1)
        return
    inline = read_inline(address, None, seen.lengths) if isinstance(address, str) else None
    take(seen, inline, what)
