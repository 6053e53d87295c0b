"""A run's events as a conversation that people can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paid.models import Event
from web.plain_text import shortened
from web.rendering import count, money, pretty, words

LONGEST_TEXT = 6_000
LONGEST_DETAIL = 20_000
LONGEST_TITLE = 160

Data = Mapping[str, Any]


@dataclass(frozen=True)
class Item:
    """One line of the conversation.

    `kind` chooses its look; `text` is shown whole, `detail` behind a fold. All of it is plain.
    """

    kind: str
    title: str
    text: str = ""
    detail: str = ""
    mono: bool = False
    at: datetime | None = None
    seq: int = 0


def items(events: Iterable[Event]) -> list[Item]:
    """The events that are worth a line, in order."""
    made = (item(event) for event in events)
    return [one for one in made if one is not None]


def item(event: Event) -> Item | None:
    """One event in words; None for those that the page shows elsewhere."""
    kind = event.kind.removeprefix("agent.")
    if kind in _SHOWN_ELSEWHERE:
        return None
    reader = _READERS.get(kind) or _READERS.get(kind.partition(".")[0] + ".") or _other
    read = reader(kind, event.data)
    return Item(
        kind=read.kind,
        title=shortened(read.title, LONGEST_TITLE),
        text=shortened(read.text, LONGEST_TEXT),
        detail=shortened(read.detail, LONGEST_DETAIL),
        mono=read.mono,
        at=event.at,
        seq=event.seq or 0,
    )


def _text(data: Data, *names: str) -> str:
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and value:
            return value
        if value not in (None, "", [], {}):
            return pretty(value)
    return ""


def _number(data: Data, name: str) -> int:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _message(_: str, data: Data) -> Item:
    return Item("message", "Agent", _text(data, "text", "message"))


def _thought(_: str, data: Data) -> Item:
    text = _text(data, "text")
    return Item("thought", "Thinking", text) if len(text) < 400 else _folded("thought", text)


def _folded(kind: str, text: str) -> Item:
    return Item(kind, "Thinking: " + text[:100], detail=text)


def _tool_call(_: str, data: Data) -> Item:
    name = _text(data, "tool", "name") or "tool"
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
            return value
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            return " ".join(value)
    return ""


def _tool_result(_: str, data: Data) -> Item:
    text = _text(data, "text", "output")
    failed = bool(data.get("failed"))
    lines = text.count("\n") + 1 if text.strip() else 0
    size = f"{lines} line{'s' if lines != 1 else ''}" if lines else "no output"
    title = f"failed, {size}" if failed else size
    if lines and len(text) <= 200 and lines <= 3:
        return Item("result-bad" if failed else "result", "", text=text, mono=True)
    return Item("result-bad" if failed else "result", title, detail=text, mono=True)


def _file_change(_: str, data: Data) -> Item:
    change = {"add": "Added", "delete": "Deleted"}.get(_text(data, "change"), "Changed")
    return Item("file", f"{change} a file", text=_text(data, "path"), mono=True)


def _error(_: str, data: Data) -> Item:
    return Item("error", "The agent reports an error", _text(data, "text", "message"))


def _run(kind: str, data: Data) -> Item:
    name = kind.removeprefix("run.")
    if name == "cancel_requested":
        by = f"by {_text(data, 'by') or 'somebody'}"
        return Item("mark", f"Cancel asked for {by}", _text(data, "reason"))
    if name == "ended":
        return Item("mark", f"Ended: {words(_text(data, 'status'))}", _text(data, "message"))
    if name == "host":
        return Item("mark", f"On host {_text(data, 'host')}")
    said = _text(data, "message", "reason")
    return Item("mark", words(name).capitalize(), said)


def _usage(_: str, data: Data) -> Item:
    tokens_in, tokens_out = _number(data, "input_tokens"), _number(data, "output_tokens")
    title = (
        f"{_text(data, 'model') or 'model'}: {count(tokens_in)} in, {count(tokens_out)} out, "
        f"{money(_number(data, 'cost_microdollars'))}"
    )
    return Item("usage", title)


def _budget(kind: str, data: Data) -> Item:
    place = f"{_text(data, 'scope')} {_text(data, 'period')}".replace("total", "").strip()
    if kind == "budget.warning":
        return Item(
            "warning",
            f"{_number(data, 'percent')}% of the {place} budget is spent",
            f"{money(_number(data, 'spent_microdollars'))} of "
            f"{money(_number(data, 'limit_microdollars'))}",
        )
    return Item("warning", f"Paused: the {place} budget is used up", _text(data, "message"))


def _quota(_: str, data: Data) -> Item:
    return Item("warning", "Paused: the vendor's limit is reached", _text(data, "until", "message"))


def _egress(kind: str, data: Data) -> Item:
    host = _text(data, "host", "target")
    if kind == "egress.denied":
        return Item("warning", f"Connection refused: {host}", _text(data, "reason"))
    return Item("usage", f"Connected to {host}")


def _check(kind: str, data: Data) -> Item:
    argv = data.get("argv")
    name = " ".join(map(str, argv)) if isinstance(argv, list) else _text(data, "name", "check")
    code = data.get("exit_code")
    passed = data.get("passed", code == 0)
    output = _text(data, "output", "text")
    if not name:
        return _other(kind, data)
    title = f"{'Passed' if passed else 'Failed'}: {name}"
    return Item("check" if passed else "check-bad", title, detail=output, mono=True)


def _pull_request(_: str, data: Data) -> Item:
    return Item("mark", f"Pull request #{data.get('number', '')}", _text(data, "url"))


def _other(kind: str, data: Data) -> Item:
    return Item("other", words(kind).capitalize(), detail=pretty(dict(data)) if data else "")


_SHOWN_ELSEWHERE = frozenset({"usage", "session"})
_READERS: dict[str, Callable[[str, Data], Item]] = {
    "message": _message,
    "thought": _thought,
    "tool_call": _tool_call,
    "tool_result": _tool_result,
    "file_change": _file_change,
    "error": _error,
    "model.usage": _usage,
    "run.": _run,
    "budget.": _budget,
    "quota.": _quota,
    "egress.": _egress,
    "check.": _check,
    "checks.": _check,
    "verify.": _check,
    "pull_request.": _pull_request,
}
