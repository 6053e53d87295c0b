"""An event of a run as one line for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from paid.cli.output import dollars, one_line, plain

WIDE = 160
Data = Mapping[str, Any]


def line(event: Mapping[str, Any]) -> str:
    """`12:04:31  kind  what`; empty for events that only machines want."""
    kind, data = event["kind"], event["data"]
    say = LINES.get(kind) or LINES.get(kind.partition(".")[0]) or _anything
    text = say(data)
    if text is None:
        return ""
    at = event["at"].astimezone().strftime("%H:%M:%S")
    return f"{at}  {plain(kind):<20} {text}".rstrip()


def _anything(data: Data) -> str:
    return one_line(json.dumps(data, default=str), WIDE) if data else ""


def _words(data: Data) -> str:
    """All of what the agent said, the later lines moved in below the first."""
    lines = plain(str(data.get("text", ""))).strip().split("\n")
    return ("\n" + " " * 31).join(lines)


def _tool_call(data: Data) -> str:
    arguments = data.get("arguments")
    shown = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
    return f"{one_line(str(data.get('name', '')), 40)}  {one_line(shown, WIDE)}"


def _tool_result(data: Data) -> str:
    text = one_line(str(data.get("output") or data.get("text") or ""), WIDE)
    return f"failed: {text}" if data.get("failed") else text


def _file_change(data: Data) -> str:
    return (
        f"{one_line(str(data.get('change', '')), 20)} {one_line(str(data.get('path', '')), WIDE)}"
    )


def _check(data: Data) -> str:
    argv = data.get("argv")
    command = " ".join(str(word) for word in argv) if isinstance(argv, list) else ""
    passed = data.get("exit_code", data.get("code")) == 0
    return f"{'passed' if passed else 'FAILED'}  {one_line(command, WIDE)}"


def _model_usage(data: Data) -> str:
    cost = data.get("amount_microdollars", data.get("cost_microdollars"))
    money = dollars(cost) if isinstance(cost, int) else ""
    tokens = f"{data.get('input_tokens', 0):,} in, {data.get('output_tokens', 0):,} out"
    return f"{one_line(str(data.get('model', '')), 40)}  {tokens}  {money}"


def _ended(data: Data) -> str:
    parts = [data.get("status"), data.get("code"), data.get("message")]
    return "  ".join(one_line(str(part), WIDE) for part in parts if part)


LINES: Mapping[str, Callable[[Data], str | None]] = {
    "agent.message": _words,
    "agent.thought": _words,
    "agent.tool_call": _tool_call,
    "agent.tool_result": _tool_result,
    "agent.file_change": _file_change,
    "verify.check": _check,
    "model.usage": _model_usage,
    "run.ended": _ended,
}
