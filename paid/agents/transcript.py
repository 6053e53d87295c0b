"""What every reader of an agent's output shares: the session, the tokens, the last words, the end.

A sibling implements one method: `read` for output in JSON lines, `read_text` for plain text. It
yields events; this class keeps what must be known when the program has ended.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator

from paid.agents.events import AgentEvent, Message, Problem, Session, Usage
from paid.agents.protocol import Ending, How
from paid.agents.record import Record, parse_line
from paid.plain import plain

_TAIL_LINES = 20
_QUESTION = re.compile(r"^\s*\**NEEDS INPUT:\**\s*(.+)", re.MULTILINE | re.DOTALL)
"""How the prompts ask every agent to end when only a person can answer (paid/prompts)."""


class BaseTranscript(ABC):
    """The part of a transcript that does not depend on the agent's format."""

    def __init__(self) -> None:
        self._session_id: str | None = None
        self._usage = Usage()
        self._last_words = ""
        self._problem = ""
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._failed = False
        self._limited = False

    @property
    def session_id(self) -> str | None:
        return self._session_id

    @property
    def usage(self) -> Usage:
        return self._usage

    def feed(self, line: str) -> list[AgentEvent]:
        """Read one line and remember what the ending needs."""
        events = list(self._read_line(line))
        for event in events:
            self._remember(event)
        return events

    def end(self, exit_code: int) -> Ending:
        """Weigh the agent's own words and the exit code; an error beats a message."""
        if self._limited:
            return Ending(How.LIMIT, self._problem or self._last_words)
        if exit_code != 0 or self._failed:
            return Ending(How.ERROR, self._what_went_wrong(exit_code))
        question = _QUESTION.search(self._last_words)
        if question:
            return Ending(How.NEEDS_INPUT, question.group(1).strip())
        return Ending(How.FINISHED, self._last_words)

    def fail(self, text: str = "") -> None:
        """Note that the agent itself reports failure, whatever its exit code will be."""
        self._failed = True
        self._problem = text or self._problem

    def limit(self) -> None:
        """Note that the agent stopped at a limit of its own."""
        self._limited = True

    def opened(self, session_id: str) -> Iterator[Session]:
        """Yield the session's name where it is new and fit to be an argument later."""
        if session_id and session_id != self._session_id:
            yield Session(session_id)

    def noise(self, line: str) -> None:
        """Keep a line that is no event: the last ones explain a crash."""
        text = plain(line, 500).strip()
        if text:
            self._tail.append(text)

    @abstractmethod
    def _read_line(self, line: str) -> Iterable[AgentEvent]:
        """Turn one line into events."""

    def _remember(self, event: AgentEvent) -> None:
        match event:
            case Session(session_id):
                self._session_id = session_id
            case Usage():
                self._usage += event
            case Message(text):
                self._last_words = text
            case Problem(text):
                self._problem = text
            case _:
                pass

    def _what_went_wrong(self, exit_code: int) -> str:
        if self._problem:
            return self._problem
        if self._tail:
            return "\n".join(self._tail)
        return self._last_words or f"The agent ended with exit code {exit_code} and said nothing."


class JsonTranscript(BaseTranscript):
    """Reads output of one JSON object a line; other lines are noise."""

    def _read_line(self, line: str) -> Iterator[AgentEvent]:
        record = parse_line(line)
        if record is None:
            self.noise(line)
        else:
            yield from self.read(record)

    @abstractmethod
    def read(self, record: Record) -> Iterator[AgentEvent]:
        """Turn one JSON object into events; missing and odd fields read as empty."""


class TextTranscript(BaseTranscript):
    """Reads plain text, with escapes already stripped."""

    def _read_line(self, line: str) -> Iterator[AgentEvent]:
        for part in plain(line).split("\n"):
            self.noise(part)
            yield from self.read_text(part)

    @abstractmethod
    def read_text(self, line: str) -> Iterator[AgentEvent]:
        """Turn one plain line into events."""
