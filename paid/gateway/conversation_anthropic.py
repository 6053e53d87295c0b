"""The grammar of a conversation in Anthropic's Messages."""

from __future__ import annotations

from typing import Any

from paid.gateway.inline_data import read_inline
from paid.gateway.seen import Seen, data, fetch, look_inside, open_object, parts, take


def _source(seen: Seen, part: Any, depth: int) -> None:
    """Where a picture or a document of Anthropic's comes from."""
    source, what = part.get("source"), f"the source of a {part.get('type')}"
    if not isinstance(source, dict) or not open_object(seen, source, depth):
        fetch(seen, source)
        seen.miss(what)
        return
    kind = source.get("type")
    fetched = fetch(seen, source.get("url"))
    if kind == "base64" and not fetched:
        take(seen, read_inline(source.get("data"), source.get("media_type"), seen.lengths), what)
    elif kind == "url" and part["type"] == "image":
        seen.pictures += 1
    elif kind == "content":
        _read_anthropic(seen, source.get("content"), depth + 1)
    elif kind != "text" or fetched or not isinstance(source.get("data"), str):
        seen.miss(what)


def _result(seen: Seen, part: Any, depth: int) -> None:
    _read_anthropic(seen, part.get("content"), depth)


def _found_tool(seen: Seen, part: Any, _depth: int) -> None:
    name = str(part.get("tool_name"))
    seen.tools_repeated += name in seen.tools_found
    seen.tools_found.add(name)


def _found_tools(seen: Seen, part: Any, depth: int) -> None:
    _read_anthropic(seen, part.get("tool_references"), depth)


def _added_tool(seen: Seen, part: Any, depth: int) -> None:
    look_inside(seen, part, depth)


_read_anthropic = parts(
    dict.fromkeys(
        [
            "text",
            "thinking",
            "redacted_thinking",
            "tool_use",
            "server_tool_use",
            "compaction",
            "web_search_tool_result",
            "web_search_result",
            "tool_search_tool_result_error",
            "tool_removal",
            "mcp_tool_use",
        ],
        data,
    )
    | dict.fromkeys(("image", "document"), _source)
    | dict.fromkeys(
        [
            "tool_result",
            "search_result",
            "mcp_tool_result",
            "web_fetch_tool_result",
            "web_fetch_result",
            "tool_search_tool_result",
        ],
        _result,
    )
    | dict.fromkeys(("tool_addition", "tool_definition"), _added_tool)
    | {"tool_reference": _found_tool, "tool_search_tool_search_result": _found_tools}
)


def look_at_messages(seen: Seen, value: Any, depth: int) -> None:
    """A message, or a block of the system's text; whatever looks like both is looked at as both."""
    is_message = isinstance(value, dict) and "role" in value
    if is_message and open_object(seen, value, depth):
        _read_anthropic(seen, value.get("content"), depth + 1)
    if not is_message or value.get("type") not in (None, "message"):
        _read_anthropic(seen, value, depth)
