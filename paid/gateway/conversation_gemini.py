"""The grammar of a conversation in Gemini's API, where names come in two spellings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paid.gateway.inline_data import picture_units, read_inline
from paid.gateway.seen import Seen, data, each, fetch, look_inside, open_object, take

_GEMINI_DATA = frozenset(
    [
        "text",
        "thought",
        "thoughtSignature",
        "thought_signature",
        "functionCall",
        "function_call",
        "executableCode",
        "executable_code",
        "codeExecutionResult",
        "code_execution_result",
        "mediaResolution",
        "media_resolution",
        "partMetadata",
        "part_metadata",
    ]
)
_OWN_FILES = ("https://generativelanguage.googleapis.com/", "files/", "gs://")
"""Where a file is that was given to Google before: it is fetched from nowhere."""


def _gemini_inline(seen: Seen, given: Any, depth: int) -> None:
    if open_object(seen, given, depth):
        kind = given.get("mimeType", given.get("mime_type"))
        inline = read_inline(given.get("data"), kind, seen.lengths)
        take(seen, inline, "inlineData")
        if inline is not None and inline.kind == "picture":
            units = picture_units(given["data"], seen.lengths)
            if units is None:
                seen.miss("a picture whose size cannot be told")
            else:
                seen.pictures += units - 1


def _gemini_file(seen: Seen, given: Any, depth: int) -> None:
    seen.miss("fileData")
    if open_object(seen, given, depth):
        for name in ("fileUri", "file_uri"):
            address = given.get(name)
            if isinstance(address, str) and not address.startswith(_OWN_FILES):
                fetch(seen, address)


def _gemini_response(seen: Seen, given: Any, depth: int) -> None:
    if open_object(seen, given, depth):
        _gemini_parts(seen, given.get("parts"), depth + 1)


_GEMINI_PARTS: Mapping[str, Callable[[Seen, Any, int], None]] = (
    dict.fromkeys(_GEMINI_DATA, data)
    | dict.fromkeys(("inlineData", "inline_data"), _gemini_inline)
    | dict.fromkeys(("fileData", "file_data"), _gemini_file)
    | dict.fromkeys(("functionResponse", "function_response"), _gemini_response)
)


def _gemini_parts(seen: Seen, parts: Any, depth: int) -> None:
    for part in each(parts):
        if not open_object(seen, part, depth):
            continue
        for name, given in part.items():
            known = _GEMINI_PARTS.get(name)
            if known is not None:
                known(seen, given, depth + 1)
            else:
                seen.miss(name)
                look_inside(seen, {name: given}, depth + 1)


def look_at_gemini(seen: Seen, value: Any, depth: int) -> None:
    """A content, or a whole request within one whose tokens are only counted."""
    if open_object(seen, value, depth):
        _gemini_parts(seen, value.get("parts"), depth + 1)
        for name in ("contents", "systemInstruction", "system_instruction"):
            for inner in each(value.get(name)):
                look_at_gemini(seen, inner, depth + 1)
