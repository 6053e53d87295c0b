"""The grammars of a conversation in OpenAI's Chat Completions and Responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paid.gateway.inline_data import read_inline
from paid.gateway.seen import Seen, data, fetch, look_inside, open_object, parts, picture_at, take
from paid.gateway.tools import check_tools


def _image_url(seen: Seen, part: Any, depth: int) -> None:
    given = part.get("image_url")
    if isinstance(given, dict) and open_object(seen, given, depth):
        given = given.get("url")
    if given or not part.get("file_id"):
        picture_at(seen, given, "image_url")


def _sound(seen: Seen, part: Any, depth: int) -> None:
    seen.sound = True
    seen.miss("input_audio")
    look_inside(seen, part, depth)


def _file(seen: Seen, part: Any, depth: int) -> None:
    inner = part.get("file", part)
    if not open_object(seen, inner, depth) or inner.get("file_id"):
        seen.miss("file")
        return
    data, fetched = inner.get("file_data"), fetch(seen, inner.get("file_url"))
    if fetched or not isinstance(data, str):
        seen.miss("file_url" if fetched else "file")
    elif "://" in data[:20] and fetch(seen, data):
        seen.miss("file_data")
    else:
        inline = read_inline(data, None, seen.lengths, inner.get("filename"))
        take(seen, inline, "file_data")


_OPENAI_PARTS = (
    dict.fromkeys(
        [
            "text",
            "input_text",
            "output_text",
            "refusal",
            "summary_text",
            "reasoning_text",
            "thinking",
            "reasoning",
        ],
        data,
    )
    | dict.fromkeys(("image_url", "input_image", "computer_screenshot"), _image_url)
    | dict.fromkeys(("input_audio", "audio"), _sound)
    | dict.fromkeys(("file", "input_file"), _file)
)
_read_openai = parts(_OPENAI_PARTS)


def look_at_chat(seen: Seen, value: Any, depth: int) -> None:
    """A message. An earlier answer's sound is known by its name alone."""
    if not open_object(seen, value, depth):
        return
    if value.get("audio"):
        seen.sound = True
        seen.miss("audio")
    _read_openai(seen, value.get("content"), depth + 1)


def _openai_result(seen: Seen, item: Any, depth: int) -> None:
    _read_openai(seen, item.get("output"), depth)


def _reasoning(seen: Seen, item: Any, _depth: int) -> None:
    """Without its encrypted content, it is one that is stored at the vendor under its id."""
    content = item.get("encrypted_content")
    if item.get("id") and not (isinstance(content, str) and content.strip()):
        seen.miss("a reasoning item without encrypted_content")


def _later_tools(_seen: Seen, item: Any, _depth: int) -> None:
    check_tools("responses", item.get("tools"))


_ITEMS: Mapping[str, tuple[str, Callable[[Seen, Any, int], None]]] = {
    "message": ("content", lambda seen, item, at: _read_openai(seen, item.get("content"), at)),
    "reasoning": ("", _reasoning),
    "function_call": ("arguments", data),
    "function_call_output": ("output", _openai_result),
    "custom_tool_call": ("input", data),
    "custom_tool_call_output": ("output", _openai_result),
    "local_shell_call": ("action", data),
    "local_shell_call_output": ("output", data),
    "shell_call": ("action", data),
    "shell_call_output": ("output", data),
    "apply_patch_call": ("operation", data),
    "apply_patch_call_output": ("call_id", data),
    "computer_call": ("call_id", data),
    "computer_call_output": ("output", _openai_result),
    "compaction": ("encrypted_content", data),
    "tool_search_call": ("arguments", data),
    "tool_search_output": ("tools", _later_tools),
    "additional_tools": ("tools", _later_tools),
}
"""The items of a Responses conversation, each with the member that carries what it brings.

One that has an id and lacks that member is a reference to what is stored at the vendor.
"""


_TOLD = {"computer_call": ("action", "actions"), "apply_patch_call_output": ("output",)}
"""What these have when they are no references."""


def look_at_responses(seen: Seen, item: Any, depth: int) -> None:
    if not open_object(seen, item, depth):
        return
    kind = item.get("type")
    if kind is None and "role" in item:
        kind = "message"
    known = _ITEMS.get(kind) if isinstance(kind, str) else None
    if known is None:
        seen.miss(kind or "an item without a type")
        look_inside(seen, item, depth + 1)
        return
    carrier, read = known
    if item.get("id") and kind in _TOLD and not any(item.get(name) for name in _TOLD[kind]):
        seen.miss(f"a {kind} with its id alone")
    given = item.get(carrier) if carrier else True
    if isinstance(given, str):
        given = given.strip()
    if given is None or (given in ("", [], {}) and item.get("id")):
        seen.miss(f"a {kind} without {carrier}")
    read(seen, item, depth + 1)
