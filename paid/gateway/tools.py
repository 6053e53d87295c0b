"""Which tools a run may offer to a model: those that the client runs itself, and no others.

A tool that the vendor runs reaches the web for the run, past the egress list, or costs what no
bound on tokens holds. So the list names the client's own kinds, and a kind of next year is refused
until somebody has looked at it. `tool_search` looks among the client's own tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from paid.gateway.refusal import RefusedError

_OF_THE_CLIENT = {
    "messages": re.compile(
        r"custom|tool_search_tool_\w+"
        r"|(?:bash|text_editor|memory|computer|computer_toolset|browser_toolset)_20\d+"
    ),
    "chat": re.compile("function|custom"),
    "responses": re.compile(
        "function|custom|namespace|tool_search|local_shell|shell|apply_patch|computer"
    ),
}
_OF_GEMINIS_CLIENT = frozenset(
    {"functionDeclarations", "function_declarations", "computerUse", "computer_use"}
)
_KINDS_THAT_BRING_TOOLS = frozenset({"additional_tools", "tool_search_output", "tool_definition"})
LARGEST_LATER_BYTES = 16 << 20


def check_tools(wire: str, tools: Any) -> None:
    """Raises RefusedError for a tool that the vendor would run."""
    for tool in _each(tools):
        name = _at_the_vendor(wire, tool)
        if name is not None:
            raise RefusedError(f"tools: {name[:50]} runs at the vendor, past the limits of a run")


def check_later_tools(wire: str, body: bytes | None) -> None:
    """The same for tools that come with the conversation, not in front of it.

    Such a body has to be read whole; one that is too large for that (None) is refused.
    """
    if body is None or len(body) > LARGEST_LATER_BYTES:
        raise RefusedError("tools within so long a conversation cannot be looked at")
    try:
        for item in _items(json.loads(body)):
            check_tools(wire, item.get("tools"))
            check_tools(wire, item.get("definition"))
    except RecursionError as error:
        raise RefusedError("The body is nested too deep.") from error


def _each(tools: Any) -> Iterator[Mapping[str, Any]]:
    for tool in tools if isinstance(tools, list) else [tools]:
        if isinstance(tool, dict):
            yield tool
            yield from _each(tool.get("tools"))


def _at_the_vendor(wire: str, tool: Mapping[str, Any]) -> str | None:
    """The name of a tool that the vendor would run itself; None for the client's own."""
    if wire == "gemini":
        return min(tool.keys() - _OF_GEMINIS_CLIENT, default=None)
    kind = tool.get("type", "custom")
    if not isinstance(kind, str) or not _OF_THE_CLIENT[wire].fullmatch(kind):
        return str(kind)
    place = tool.get("environment")
    is_here = isinstance(place, dict) and place.get("type") == "local"
    return "shell without a local environment" if kind == "shell" and not is_here else None


def _items(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object, however deep, that brings tools with it."""
    if isinstance(value, list):
        for one in value:
            yield from _items(one)
    elif isinstance(value, dict):
        if value.get("type") in _KINDS_THAT_BRING_TOOLS:
            yield value
        for one in value.values():
            yield from _items(one)
