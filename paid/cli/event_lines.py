"""An event of a run as one line for a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from paid import check_ends, check_lines
from paid.check_ends import CheckEnd
from paid.cli.output import dollars, one_line, plain
from paid.store import estimates

WIDE = 160
KIND_WIDE = 20
Data = Mapping[str, Any]
_SHA = re.compile(r"[0-9a-f]{40,64}")
_FOR_MACHINES = frozenset({"n", "kind", "sha256", "hash", "call_id", "label_event", "template"})


def line(event: Mapping[str, Any]) -> str:
    """`12:04:31  kind  what`; empty for events that only machines want."""
    kind, data = event["kind"], event["data"]
    text = LINES.get(kind, _anything)(data)
    if text is None:
        return ""
    at = event["at"].astimezone().strftime("%H:%M:%S")
    return f"{at}  {plain(kind):<{KIND_WIDE}} {text}".rstrip()


def _anything(data: Data) -> str:
    """`name value` pairs, without what only machines want; long names of commits are cut."""
    told = [(key, value) for key, value in data.items() if key not in _FOR_MACHINES]
    pairs = (f"{key} {_value(value)}" for key, value in told if value not in (None, "", [], {}))
    return one_line(" · ".join(pairs), WIDE)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value[:10] if _SHA.fullmatch(value) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return json.dumps(value, default=str)


def _nothing(_data: Data) -> None:
    return None


def _words(data: Data) -> str:
    """All of what the agent said, the later lines moved in below the first."""
    return _indented(plain(str(data.get("text", ""))).strip().split("\n"))


def _tool_call(data: Data) -> str:
    arguments = data.get("arguments")
    if isinstance(arguments, Mapping) and len(arguments) == 1:
        (arguments,) = arguments.values()
    shown = arguments if isinstance(arguments, str) else json.dumps(arguments, default=str)
    return f"{one_line(str(data.get('tool', '')), 40)}  {one_line(shown, WIDE)}".strip()


def _tool_result(data: Data) -> str:
    text = one_line(str(data.get("text") or ""), WIDE)
    return f"failed: {text}" if data.get("failed") else text


def _file_change(data: Data) -> str:
    change, path = str(data.get("change", "")), str(data.get("path", ""))
    return f"{one_line(change, 20)} {one_line(path, WIDE)}"


def _secrets(data: Data) -> str:
    """Kinds and places, a line each, behind whose release it is; fingerprints are for programs."""
    given = data.get("found")
    found = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    told = [f"{each.get('kind')} in {each.get('place')}" for each in found]
    by = [f"by {data['by']}: {data.get('reason', '')}"] if "by" in data else []
    return _indented([one_line(text, 4 * WIDE) for text in [*by, *told]])


def _check(data: Data) -> str:
    argv = data.get("argv")
    command = (
        check_lines.on_one_line([str(word) for word in argv]) if isinstance(argv, list) else ""
    )
    report = _report(data)
    if check_ends.end_of(report) is CheckEnd.PASSED:
        note = "  (it ran no test)" if data.get("ran_no_test") else ""
        return f"passed  {one_line(command, WIDE)}{note}"
    how = f"  ({check_ends.how(report)})" if "code" in data else ""
    said = check_ends.tail(report["output"]).split("\n")
    return _indented([f"FAILED  {one_line(command, WIDE)}{how}", *filter(None, said)])


def _report(data: Data) -> dict[str, Any]:
    """The event as the report of a check; what a report cannot hold is left out."""
    code, seconds = data.get("exit_code", data.get("code")), data.get("seconds")
    return {
        "code": code if isinstance(code, int) else None,
        "seconds": seconds if isinstance(seconds, int | float) else 0,
        "output": str(data.get("output", "")),
        "denied": [],
        **{name: data.get(name) for name in ("timed_out", "oom_kills")},
        "signal": data.get("signal") if isinstance(data.get("signal"), int) else None,
    }


def _on_base(data: Data) -> str:
    argv = data.get("argv")
    command = (
        check_lines.on_one_line([str(word) for word in argv]) if isinstance(argv, list) else ""
    )
    if data.get("passed"):
        how = "passes on the untouched base"
    elif data.get("same"):
        how = "fails on the untouched base in the same way"
    else:
        how = f"on the untouched base {data.get('how', 'fails')} too, but not in the same way"
    return one_line(f"{command}  {how}", 2 * WIDE)


def _indented(lines: list[str]) -> str:
    """Several lines as one event's: the later ones moved in below the first."""
    return ("\n" + " " * (KIND_WIDE + 11)).join(lines)


def _probe(data: Data) -> str:
    openings = data.get("openings")
    return f"OPEN: {one_line(_value(openings), WIDE)}" if openings else "the sandbox is tight"


def _model_usage(data: Data) -> str:
    cost = data.get("amount_microdollars", data.get("cost_microdollars"))
    money = dollars(cost) if isinstance(cost, int) else ""
    tokens = f"{_count(data, 'input_tokens')} in, {_count(data, 'output_tokens')} out"
    known = "" if data.get("basis", "vendor") == "vendor" else "  at most (estimated)"
    return f"{one_line(str(data.get('model', '')), 40)}  {tokens}  {money}{known}"


def _count(data: Data, name: str) -> str:
    value = data.get(name)
    return f"{value:,}" if isinstance(value, int) else "?"


def _ended(data: Data) -> str:
    """How and why, whole: its last words are what to do."""
    parts = [data.get("status"), data.get("code"), data.get("message")]
    return "  ".join(" ".join(plain(str(part)).split()) for part in parts if part)


def _waiting(data: Data) -> str:
    return one_line(str(data.get("message", "")), 2 * WIDE)


def _estimate(data: Data) -> str:
    return estimates.read(data).said(dollars)


def _hold(data: Data) -> str:
    """Which cap or vendor, until when, and what a cap has no room for."""
    place = " ".join(str(data[name]) for name in ("scope", "period", "vendor") if data.get(name))
    until = f", until {data['until']}" if data.get("until") else ""
    needed = data.get("needed_microdollars")
    amount = f"; the next request reserves up to {dollars(int(needed))}" if needed else ""
    return one_line(f"waits: {place.replace(' total', '')}{until}{amount}", WIDE)


LINES: Mapping[str, Callable[[Data], str | None]] = {
    "agent.message": _words,
    "agent.thought": _words,
    "agent.error": _words,
    "agent.tool_call": _tool_call,
    "agent.tool_result": _tool_result,
    "agent.file_change": _file_change,
    "agent.session": _nothing,
    "agent.usage": _nothing,
    "agent.prompt": _nothing,
    "step.probe": _probe,
    "step.ready": _nothing,
    "step.started": _nothing,
    "verify.check": _check,
    "verify.base": _on_base,
    "model.usage": _model_usage,
    "run.ended": _ended,
    "publish.refused": _ended,
    "run.waiting": _waiting,
    "run.waited": _waiting,
    "run.secrets_found": _secrets,
    "run.secrets_released": _secrets,
    "budget.estimate": _estimate,
    "budget.hold": _hold,
    "quota.hold": _hold,
}
