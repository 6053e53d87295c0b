"""Reads one turn's output into PostgreSQL: lines in batches, and what they mean as events."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from paid.agents.events import AgentEvent, Message, Session, ToolCall, ToolResult
from paid.agents.protocol import Transcript
from paid.containers.contract import LogLine
from paid.containers.reports import Report, ReportReader
from paid.plain import plain
from paid.store import runs, steps
from paid.store.database import Database
from paid.store.events import NewEvent
from paid.store.steps import StepHold

BATCH_CHARACTERS = 64 * 1024
BATCH_EVENTS = 100
RUN_CHARACTERS = 64 * 1024 * 1024
"""Of output that is stored of a run, all turns together. A turn's own limit is paid-step's."""
CUT = "[the output is cut here: the run has written more than {:,} characters]"
SAME_LIMIT = 3
"""The same tool call with the same result, or the same message, so often in a row is a loop."""


class TurnLog:
    """Takes lines as they come and stores them a batch at a time.

    A further attempt feeds the whole log again, so that the transcript knows the beginning, and
    stores only what lies behind `hold.cursor`.

    Args:
        on_loop: called once, from `take`, when the agent goes round in circles.
        on_report: called from `take` with the name of each report.
    """

    def __init__(
        self,
        database: Database,
        hold: StepHold,
        transcript: Transcript,
        reader: ReportReader,
        on_loop: Callable[[], None],
        on_report: Callable[[str], None] = lambda _name: None,
        most_characters: int = RUN_CHARACTERS,
    ) -> None:
        self._database, self._hold = database, hold
        self._transcript, self._reader = transcript, reader
        self._loop, self._on_loop = LoopDetector(), on_loop
        self._on_report = on_report
        self._lock = threading.Lock()
        self._stored = not hold.cursor
        self._number = hold.batches
        self._lines: list[str] = []
        self._size = 0
        self._most_characters = most_characters
        self._room: int | None = None
        self._events: list[NewEvent] = []
        self._session: str | None = None
        self._cursor = hold.cursor
        self._digest = hashlib.sha256()
        self.reports: dict[str, dict[str, Any]] = {}

    @property
    def digest(self) -> str:
        """SHA-256 in hex over what the agent said and did, without ids and times."""
        return self._digest.hexdigest()

    @property
    def is_told_anew(self) -> bool:
        """Whether the present line was stored by an attempt before, with all that it meant."""
        return not self._stored

    def take(self, line: LogLine) -> None:
        """Read one line; stores the batch when it is full."""
        with self._lock:
            report = self._reader.read(line.text)
            if report is not None:
                self._take_report(report)
            elif line.text:  # paid-step puts an empty line before each report
                self._take_words(line)
            self._cursor = line.cursor
            if not self._stored:
                self._stored = line.cursor == self._hold.cursor
                self._forget_batch()
            full = self._size >= BATCH_CHARACTERS or len(self._events) >= BATCH_EVENTS
            # a report is a turn of the step, told at once; what comes before the agent, with it
            full = full or (report is not None and report.name not in _BEFORE_THE_AGENT)
        if full:
            self.flush()

    def flush(self) -> None:
        """Store what has come; called from the watch as well, while the agent is silent."""
        with self._lock:
            if not self._stored or not (self._lines or self._events or self._session):
                return
            with self._database.session() as session:
                text = "\n".join(self._lines)
                steps.store_output(
                    session, self._hold, self._number, self._cursor, text, self._events
                )
                if self._session is not None:
                    runs.get(session, self._hold.run_id).agent_session = self._session
            self._number += 1
            self._forget_batch()

    def _take_report(self, report: Report) -> None:
        self.reports[report.name] = dict(report.fields)
        self._on_report(report.name)
        if report.name in _TOLD:
            self._events.append(NewEvent(f"step.{report.name}", dict(report.fields)))

    def _take_words(self, line: LogLine) -> None:
        has_room = self._has_room_for(line.text)
        if has_room:
            text = plain(line.text)
            self._lines.append(text)
            self._size += len(text) + 1
        for event in self._transcript.feed(line.text):
            self._take_event(event, is_kept=has_room)

    def _has_room_for(self, text: str) -> bool:
        """Whether the run may store more; the first line that it may not leaves a marker."""
        if not self._stored:
            return True  # an attempt before has counted it
        if self._room is None:
            with self._database.session() as session:
                stored = steps.output_size(session, self._hold.run_id)
            self._room = self._most_characters - stored
        had, self._room = self._room, self._room - len(text) - 1
        if self._room < 0 <= had:
            self._lines.append(CUT.format(self._most_characters))
            self._size += len(self._lines[-1]) + 1
        return self._room >= 0

    def _take_event(self, event: AgentEvent, *, is_kept: bool) -> None:
        if isinstance(event, Session):
            self._session = event.session_id
        if is_kept:
            self._events.append(NewEvent(f"agent.{event.kind}", event.as_json()))
        if mark := _mark(event):
            self._digest.update(mark.encode())
            if self._loop.sees(event, mark):
                self._on_loop()

    def _forget_batch(self) -> None:
        self._lines, self._events, self._size, self._session = [], [], 0, None


class LoopDetector:
    """Sees the same output three times in a row: a message, or a call with its result."""

    def __init__(self, limit: int = SAME_LIMIT) -> None:
        self._last: deque[str] = deque(maxlen=limit)
        self._call = ""
        self._told = False

    def sees(self, event: AgentEvent, mark: str) -> bool:
        """Whether this event closes a loop; True once."""
        if isinstance(event, ToolCall):
            self._call = mark
            return False
        self._last.append(f"{self._call}\n{mark}" if isinstance(event, ToolResult) else mark)
        looping = len(self._last) == self._last.maxlen and len(set(self._last)) == 1
        if looping and not self._told:
            self._told = True
            return True
        return False


_BEFORE_THE_AGENT = frozenset({"probe", "ready"})
_TOLD = frozenset({"probe", "started", "agent_exit", "collected"})


def _mark(event: AgentEvent) -> str:
    """What makes two events the same: words, tool, arguments, result; not ids or counts."""
    if isinstance(event, Message):
        return f"message {event.text}"
    if isinstance(event, ToolCall):
        return f"call {event.tool} {json.dumps(event.arguments, sort_keys=True, default=str)}"
    if isinstance(event, ToolResult):
        return f"result {event.text}"
    return ""
