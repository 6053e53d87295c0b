"""An event as a line on the demo's screen: what a person wants to see of it, and how it looks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.text import Text

from paid.demo.story import Happening
from paid.plain import plain

Data = Mapping[str, Any]
SHELL = re.compile(r"^/bin/(?:ba)?sh -l?c (['\"])(.*)\1$", re.DOTALL)
RESULT_LINES = 4
WIDEST = 110

PHASES = {
    "run.queued": "The label was seen; a run is waiting for its turn",
    "run.provisioning": "Making a locked container and a work tree",
    "run.running": "The agent works",
    "run.verifying": "The project's checks run on the exact commit, in a clean container",
    "run.reviewing": "The change is reviewed",
    "run.awaiting_approval": "Waiting for a person's approval",
    "run.creating_pr": "Pushing the branch and opening the pull request",
}
"""Phases in the order of a run; the words are for somebody who sees it for the first time."""


MARKS = {"phase": "\n━━ ", "call": "  $ ", "result": "    "}


@dataclass(frozen=True)
class Line:
    """`style` is rich's; `kind` says what it is: phase, words, thought, call, result or note."""

    kind: str
    text: str
    style: str = ""

    def rendered(self) -> Text:
        """The line with its mark in front."""
        mark = {"phase": "\n━━ ", "call": "  $ ", "result": "    ", "end": "\n"}.get(
            self.kind, "  "
        )
        return Text(mark + self.text.replace("\n", "\n" + " " * len(mark.strip("\n"))), self.style)


def line_of(happening: Happening) -> Line | None:
    """The line for an event; None for those that only machines want."""
    if happening.kind in PHASES:
        return Line("phase", PHASES[happening.kind], "bold cyan")
    make = LINES.get(happening.kind)
    return make(happening.data) if make else None


def _message(data: Data) -> Line | None:
    text = plain(str(data.get("text", ""))).strip()
    return Line("words", text, "bold") if text else None


def _thought(data: Data) -> Line | None:
    text = plain(str(data.get("text", ""))).strip()
    return Line("thought", text, "italic dim") if text else None


def _call(data: Data) -> Line:
    arguments = data.get("arguments")
    command = arguments.get("command") if isinstance(arguments, dict) else None
    if isinstance(command, str):
        found = SHELL.match(command)
        command = found[2] if found else command
        return Line("call", _first_lines(plain(command), 1), "green")
    shown = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
    return Line(
        "call", f"{plain(str(data.get('name', '')))} {_first_lines(plain(shown), 1)}", "green"
    )


def _result(data: Data) -> Line | None:
    text = plain(str(data.get("output") or data.get("text") or "")).strip()
    if not text:
        return None
    return Line(
        "result", _last_lines(text, RESULT_LINES), "red dim" if data.get("failed") else "dim"
    )


def _change(data: Data) -> Line:
    return Line("note", f"✎ {plain(str(data.get('path', '')))}", "yellow")


def _check(data: Data) -> Line:
    argv = data.get("argv")
    command = " ".join(str(word) for word in argv) if isinstance(argv, list) else "check"
    if data.get("exit_code", data.get("code")) == 0:
        return Line("note", f"✓ {plain(command)}", "green")
    output = _last_lines(plain(str(data.get("output", ""))).strip(), RESULT_LINES)
    return Line("note", f"✗ {plain(command)}\n{output}", "red")


def _probe(data: Data) -> Line:
    openings = data.get("openings") or []
    if openings:
        return Line("note", f"sandbox: open: {', '.join(map(str, openings))}", "red")
    return Line("note", "✓ sandbox probed from within: no network, no keys, no rights", "green")


def _pr(data: Data) -> Line:
    return Line("note", f"✓ {plain(str(data.get('url', '')))}", "green")


def _problem(data: Data) -> Line:
    return Line("note", plain(str(data.get("message", ""))), "yellow dim")


def _hold(data: Data) -> Line:
    needed = int(data.get("needed_microdollars") or 0)
    amount = f" (the next request reserves ${needed / 1_000_000:.2f})" if needed else ""
    return Line(
        "note", f"waits for money{amount}: `paid budget raise`, or Ctrl-C ends the demo", "red"
    )


LINES: dict[str, Callable[[Data], Line | None]] = {
    "agent.message": _message,
    "agent.thought": _thought,
    "agent.tool_call": _call,
    "agent.tool_result": _result,
    "agent.file_change": _change,
    "agent.error": _problem,
    "budget.hold": _hold,
    "step.probe": _probe,
    "verify.check": _check,
    "run.pull_request": _pr,
}


def _first_lines(text: str, count: int) -> str:
    lines = text.strip().splitlines()
    shown = "\n".join(line[:WIDEST] for line in lines[:count])
    return shown + (" …" if len(lines) > count else "")


def _last_lines(text: str, count: int) -> str:
    lines = [line[:WIDEST] for line in text.splitlines() if line.strip()]
    return "\n".join((["…"] if len(lines) > count else []) + lines[-count:])
