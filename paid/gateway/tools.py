"""Which tools a run may offer to a model: those that the client runs itself, and no others.

A tool that the vendor runs reaches the web for the run, past the egress list, or costs what no
bound on tokens holds. So the list names the client's own kinds, and a kind of next year is refused
until somebody has looked at it. `tool_search` looks among the client's own tools.
"""

from __future__ import annotations

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


def check_tools(wire: str, tools: Any, *, is_sure: bool = True) -> None:
    """Raises RefusedError for a tool that the vendor would run.

    `is_sure` of False: it may be something else that only has the name; then it is let pass where
    it does not look like tools.
    """
    for tool in _each(tools):
        if not isinstance(tool, dict):
            if is_sure and tool is not None:
                raise RefusedError("tools: each of them has to be an object")
            continue
        name = _at_the_vendor(wire, tool)
        if name is not None:
            raise RefusedError(
                f"tools: {name[:50]} runs at the vendor, past the limits of a run; leave it out"
            )


def built_in_tools(wire: str, tools: Any) -> int:
    """How many are of Anthropic's own kinds: it writes down for the model what they can do."""
    if wire != "messages":
        return 0
    kinds = [tool.get("type") for tool in _each(tools) if isinstance(tool, dict)]
    return sum(kind not in (None, "custom") for kind in kinds)


def _each(tools: Any) -> Iterator[Any]:
    """Some readers take one for a list of it, and the tools of a namespace are within it."""
    for tool in tools if isinstance(tools, list) else [tools]:
        yield tool
        if isinstance(tool, dict) and tool.get("tools") is not None:
            yield from _each(tool["tools"])


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
