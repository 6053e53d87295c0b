"""A run's events as a conversation that people can follow."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from paid.contracts import RunStatus
from paid.models import Event
from web.plain_text import shortened
from web.rendering import count, money, pretty, words
from web.views.status import status_badge

WORK_TREE = "/workspace/tree/"
"""Where an agent works in its container; people know the files without it."""
_SHELL = re.compile(
    r"""(?:/usr)?(?:/bin/)?(?:ba|z|da)?sh -l?c (?P<q>['"])(?P<inner>[^'"]*)(?P=q)"""
)
LONGEST_TEXT = 6_000
LONGEST_DETAIL = 20_000
LONGEST_TITLE = 160
LONGEST_IN_LINE = 140

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

    @property
    def in_line(self) -> bool:
        """Whether the text fits behind the title, on its line."""
        return self.mono and "\n" not in self.text and len(self.text) <= LONGEST_IN_LINE


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
    path = _text(data, "path").removeprefix(WORK_TREE)
    return Item("file", change, text=path, mono=True)


def _error(_: str, data: Data) -> Item:
    return Item("error", "The agent reports an error", _text(data, "text", "message"))


def _run(kind: str, data: Data) -> Item:
    name = kind.removeprefix("run.")
    if name in _MARKS:
        title, text = _MARKS[name]
        return Item("mark", title, text and _text(data, text))
    if name == "cancel_requested":
        by = f"by {_text(data, 'by') or 'somebody'}"
        return Item("mark", f"Cancel asked for {by}", _text(data, "reason"))
    if name == "ended":
        return Item("mark", f"Ended: {words(_text(data, 'status'))}", _text(data, "message"))
    if name == "budget_raised":
        return Item("mark", f"Budget raised by {_text(data, 'by')}", money_of_cents(data))
    title = status_badge(name).text if name in set(RunStatus) else words(name).capitalize()
    return Item("mark", title, _text(data, "message", "reason"))


def money_of_cents(data: Data) -> str:
    """The new limit of a raise."""
    return f"to {money(_number(data, 'to_cents') * 10_000)}"


_MARKS = {
    "host": ("Got a host", "host"),
    "workspace": ("Workspace ready on a branch of its own", "branch"),
    "pushed": ("Branch pushed", "branch"),
    "pull_request": ("Pull request opened", "url"),
}


def _begin(_: str, data: Data) -> Item:
    return Item("mark", f"{_text(data, 'agent') or 'Agent'} started")


def _prompt(_: str, data: Data) -> Item:
    stripped = data.get("stripped")
    if stripped:
        return Item("warning", "Hidden text was taken out of the issue", detail=pretty(stripped))
    return Item("other", f"Prompt from the template “{_text(data, 'template')}”")


def _turn(_: str, data: Data) -> Item:
    end = _text(data, "end")
    said = "" if end == "finished" else _text(data, "message")  # else it repeats the agent
    return Item("mark", f"Turn ended: {words(end)}", said)


def _step(kind: str, data: Data) -> Item:
    name = kind.removeprefix("step.")
    title = {
        "probe": "The sandbox was probed from inside",
        "started": "The agent program started",
        "agent_exit": "The agent program ended",
        "collected": "Its commits were collected",
    }.get(name, words(name).capitalize())
    return Item("other", title, detail=pretty(dict(data)) if data else "")


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
    return Item(
        "warning", f"Paused: the {place} budget has no room for more", _text(data, "message")
    )


def _quota(_: str, data: Data) -> Item:
    return Item("warning", "Paused: the vendor's limit is reached", _text(data, "until", "message"))


def _egress(kind: str, data: Data) -> Item:
    host = _text(data, "host", "target")
    if kind == "egress.denied":
        return Item("warning", f"Connection refused: {host}", _text(data, "reason"))
    return Item("usage", f"Connected to {host}")


def _check(kind: str, data: Data) -> Item:
    if kind == "verify.ended":
        passed, whole = bool(data.get("passed")), _number(data, "checks")
        good = whole - _number(data, "failed")
        title = f"Checks {'passed' if passed else 'failed'}: {good} of {whole}"
        return Item("check" if passed else "check-bad", title)
    code = data.get("code", data.get("exit_code"))
    name = f"Check {_number(data, 'index') + 1}"
    if code == 0 and not data.get("timed_out"):
        return Item("check", f"{name} passed", detail=_text(data, "output"), mono=True)
    how = "ran out of time" if data.get("timed_out") else f"failed, exit {code}"
    return Item("check-bad", f"{name} {how}", detail=_text(data, "output"), mono=True)


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
    "verify.": _check,
    "started": _begin,
    "prompt": _prompt,
    "turn.": _turn,
    "step.": _step,
}
