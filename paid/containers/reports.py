"""Reads what paid-step reports, and believes only what it signed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from paid.containers.image.paid_step.reports import PREFIX, sign


@dataclass(frozen=True)
class Report:
    """One report: its name (probe, ready, started, agent_exit, collected, …) and its fields."""

    name: str
    fields: Mapping[str, Any]


class ReportReader:
    """Tells reports from the agent's own lines. Keep one for each reading of a log.

    A line that looks like a report and is not signed with the step's key, or was seen before, is
    the agent's: shown as output, believed in nothing.
    """

    def __init__(self, key: bytes, seen: int = 0) -> None:
        self._key = key
        self.seen = seen
        """The number of the last report: keep it beside the log's cursor."""

    def read(self, text: str) -> Report | None:
        """The report in this line; None when the line is the agent's."""
        if not text.startswith(PREFIX):
            return None
        signature, _, body = text.removeprefix(PREFIX).partition(" ")
        if not hmac.compare_digest(signature.encode(), sign(self._key, body).encode()):
            return None
        fields = json.loads(body)
        if fields["n"] <= self.seen:
            return None
        self.seen = fields["n"]
        name = fields.pop("report")
        return Report(name, fields)
