"""Hosts that the gateway refused to a run, and which failing check that explains."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session, col, select

from paid.models import Event

_OF_A_CONNECTION = re.compile(
    r"\b403\b|\b502\b|proxy|tunnel|connect|network|resolve|unreachable|registry", re.IGNORECASE
)


REPEATED = timedelta(seconds=60)
"""The gateway tells of the same refusal once in this time: one before may explain a later end."""


@dataclass(frozen=True)
class Denied:
    """A refused host. `recent`: since the checks began, or told of so shortly before that a refusal
    since then would not have been."""

    host: str
    recent: bool


def hosts(session: Session, run_id: int, since: datetime) -> list[Denied]:
    """The hosts that were refused to the run."""
    question = select(Event).where(Event.run_id == run_id, Event.kind == "egress.denied")
    found = session.exec(question.order_by(col(Event.id)).limit(1000))
    return [
        Denied(str(event.data.get("host", "")), event.at >= since - REPEATED) for event in found
    ]


def attributed(report: Mapping[str, Any], denied: Sequence[Denied]) -> dict[str, Any]:
    """The report of a failed check with the hosts that it names, or that were refused meanwhile."""
    output = str(report.get("output", ""))
    is_about_it = _OF_A_CONNECTION.search(output) is not None
    named = [one.host for one in denied if one.host in output or (one.recent and is_about_it)]
    failed = report.get("code") != 0 or report.get("timed_out")
    return {**report, "denied": list(dict.fromkeys(filter(None, named)))} if failed else {**report}
