"""A run's events as a conversation that people can follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from paid import check_lines
from paid.contracts import RunStatus
from paid.models import Event
from paid.store import estimates
from web.plain_text import shortened
from web.rendering import count, moment, money, pretty, words
from web.views import agent_words
from web.views.item import Data, Item, number_of, text_of
from web.views.status import status_badge

LONGEST_TEXT = 6_000
LONGEST_DETAIL = 20_000
LONGEST_TITLE = 160


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


def _run(kind: str, data: Data) -> Item:
    name = kind.removeprefix("run.")
    if name in _MARKS:
        title, text = _MARKS[name]
        return Item("mark", title, text and text_of(data, text))
    if name == "cancel_requested":
        by = f"by {text_of(data, 'by') or 'somebody'}"
        return Item("mark", f"Cancel asked for {by}", text_of(data, "reason"))
    if name == "ended":
        return Item("mark", f"Ended: {words(text_of(data, 'status'))}", text_of(data, "message"))
    if name == "budget_raised":
        return Item("mark", f"Budget raised by {text_of(data, 'by')}", _to_cents(data))
    title = status_badge(name).text if name in set(RunStatus) else words(name).capitalize()
    return Item("mark", title, text_of(data, "message", "reason"))


def _to_cents(data: Data) -> str:
    """The new limit of a raise."""
    return f"to {money(number_of(data, 'to_cents') * 10_000)}"


_MARKS = {
    "waiting": ("Waits for a host", "message"),
    "host": ("Got a host", "host"),
    "workspace": ("Workspace ready on a branch of its own", "branch"),
    "pushed": ("Branch pushed", "branch"),
    "pull_request": ("Pull request opened", "url"),
}


def _begin(_: str, data: Data) -> Item:
    return Item("mark", f"{text_of(data, 'agent') or 'Agent'} started")


def _prompt(_: str, data: Data) -> Item:
    stripped = data.get("stripped")
    if stripped:
        return Item("warning", "Hidden text was taken out of the issue", detail=pretty(stripped))
    return Item("other", f"Prompt from the template “{text_of(data, 'template')}”")


def _turn(_: str, data: Data) -> Item:
    end = text_of(data, "end")
    said = "" if end == "finished" else text_of(data, "message")  # else it repeats the agent
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


_BASES = {
    "partial": " at most (estimated: the vendor did not count the output)",
    "estimated": " at most (estimated: the vendor did not count it)",
    "expired": " at most (estimated: the gateway ended meanwhile)",
}
"""How the cost of a model request is known, where it is not the vendor's own count."""


def _usage(_: str, data: Data) -> Item:
    tokens_in, tokens_out = number_of(data, "input_tokens"), number_of(data, "output_tokens")
    title = (
        f"{text_of(data, 'model') or 'model'}: {count(tokens_in)} in, {count(tokens_out)} out, "
        f"{money(number_of(data, 'cost_microdollars'))}"
    )
    return Item("usage", title + _BASES.get(text_of(data, "basis"), ""))


def _estimate(_: str, data: Data) -> Item:
    return Item("other", f"Cost before the start: {estimates.read(data).said(money)}")


def _budget(kind: str, data: Data) -> Item:
    place = f"{text_of(data, 'scope')} {text_of(data, 'period')}".replace("total", "").strip()
    if kind == "budget.warning":
        return Item(
            "warning",
            f"{number_of(data, 'percent')}% of the {place} budget is spent",
            f"{money(number_of(data, 'spent_microdollars'))} of "
            f"{money(number_of(data, 'limit_microdollars'))}",
        )
    return Item(
        "warning", f"Paused: the {place} budget has no room for more", text_of(data, "message")
    )


def _quota(_: str, data: Data) -> Item:
    until = _moment(text_of(data, "until"))
    return Item("warning", "Paused: the vendor's limit is reached", until and f"until {until}")


def _moment(given: str) -> str:
    """A moment for people; what is none stays as it is."""
    try:
        return moment(datetime.fromisoformat(given))
    except ValueError:
        return given


def _egress(kind: str, data: Data) -> Item:
    host = text_of(data, "host", "target")
    if kind == "egress.denied":
        return Item("warning", f"Connection refused: {host}", text_of(data, "reason"))
    return Item("usage", f"Connected to {host}")


def _check(kind: str, data: Data) -> Item:
    if kind == "verify.ended":
        passed, whole = bool(data.get("passed")), number_of(data, "checks")
        good = whole - number_of(data, "failed")
        title = f"Checks {'passed' if passed else 'failed'}: {good} of {whole}"
        return Item("check" if passed else "check-bad", title)
    name = _check_name(data)
    if kind == "verify.base":
        same = "in the same way" if data.get("same") else "in another way"
        ended = "passes" if data.get("passed") else f"fails {same}"
        seen = "check" if data.get("passed") else "check-bad"
        return Item(seen, f"{name}: the untouched base {ended}", text_of(data, "how"))
    how = _check_end(data)
    seen = "check" if how == "passed" else "check-bad"
    return Item(seen, f"{name} {how}", detail=text_of(data, "output"), mono=True)


def _check_name(data: Data) -> str:
    argv = data.get("argv")
    command = (
        check_lines.on_one_line([str(word) for word in argv]) if isinstance(argv, list) else ""
    )
    name = f"Check {number_of(data, 'index') + 1}"
    return f"{name} ({command[:200]})" if command else name


def _check_end(data: Data) -> str:
    code = data.get("code", data.get("exit_code"))
    if data.get("timed_out"):
        return "ran out of time"
    if code == 0:
        return "passed, but ran no test" if data.get("ran_no_test") else "passed"
    if data.get("oom_kills"):
        return "needed more memory than its container has"
    return (
        f"was ended by signal {number_of(data, 'signal')}"
        if code is None
        else f"failed, exit {code}"
    )


def _other(kind: str, data: Data) -> Item:
    return Item("other", words(kind).capitalize(), detail=pretty(dict(data)) if data else "")


_SHOWN_ELSEWHERE = frozenset({"usage", "session"})
_READERS: dict[str, Callable[[str, Data], Item]] = {
    **agent_words.READERS,
    "model.usage": _usage,
    "run.": _run,
    "budget.estimate": _estimate,
    "budget.": _budget,
    "quota.": _quota,
    "egress.": _egress,
    "verify.": _check,
    "started": _begin,
    "prompt": _prompt,
    "turn.": _turn,
    "step.": _step,
}
