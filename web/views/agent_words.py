"""What an agent said and did, as lines of a run's activity."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import Any

from web.rendering import pretty
from web.views.item import Data, Item, text_of

WORK_TREE = "/workspace/tree/"
"""Where an agent works in its container; people know the files without it."""
_SHELL = re.compile(
    r"""(?:/usr)?(?:/bin/)?(?:ba|z|da)?sh -l?c (?P<q>['"])(?P<inner>[^'"]*)(?P=q)"""
)


def _message(_: str, data: Data) -> Item:
    return Item("message", "Agent", text_of(data, "text", "message"))


def _thought(_: str, data: Data) -> Item:
    text = text_of(data, "text")
    return Item("thought", "Thinking", text) if len(text) < 400 else _folded("thought", text)


def _folded(kind: str, text: str) -> Item:
    return Item(kind, "Thinking: " + text[:100], detail=text)


def _tool_call(_: str, data: Data) -> Item:
    name = text_of(data, "tool", "name") or "tool"
    arguments = data.get("arguments", {})
    command = _command(arguments)
    return Item("tool", name, text=command, detail="" if command else pretty(arguments), mono=True)


def _command(arguments: Any) -> str:
    """The command of a shell tool, under the names that agents have for it."""
    if not isinstance(arguments, dict):
        return arguments if isinstance(arguments, str) else ""
    for name in ("command", "cmd", "script", "file_path", "path", "pattern", "query"):
        value = arguments.get(name)
        if isinstance(value, str) and value:
            return _bare(value)
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return _bare(value[2] if _is_shell(value) else shlex.join(value))
    return ""


def _is_shell(argv: list[str]) -> bool:
    return len(argv) == 3 and argv[0].endswith("sh") and argv[1] in ("-c", "-lc")


def _bare(command: str) -> str:
    """A command without the shell that some agents put around each."""
    found = _SHELL.fullmatch(command)
    return found["inner"] if found else command


def _tool_result(_: str, data: Data) -> Item:
    text = text_of(data, "text", "output")
    failed = bool(data.get("failed"))
    lines = text.count("\n") + 1 if text.strip() else 0
    size = f"{lines} line{'s' if lines != 1 else ''}" if lines else "no output"
    title = f"failed, {size}" if failed else size
    if lines and len(text) <= 200 and lines <= 3:
        return Item("result-bad" if failed else "result", "", text=text, mono=True)
    return Item("result-bad" if failed else "result", title, detail=text, mono=True)


def _file_change(_: str, data: Data) -> Item:
    change = {"add": "Added", "delete": "Deleted"}.get(text_of(data, "change"), "Changed")
    path = text_of(data, "path").removeprefix(WORK_TREE)
    return Item("file", change, text=path, mono=True)


def _error(_: str, data: Data) -> Item:
    return Item("error", "The agent reports an error", text_of(data, "text", "message"))


READERS: dict[str, Callable[[str, Data], Item]] = {
    "message": _message,
    "thought": _thought,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "file_change": _file_change,
    "error": _error,
}
"""By the kind of the agent's event."""
