"""Follows a container's log over broken connections, silence and restarts of the engine."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

import urllib3

from paid.containers.contract import LogLine
from paid.containers.docker_api import DockerApi
from paid.containers.logs import FrameReader, reader_of
from paid.errors import PaidError

AGAIN_SECONDS = 0.2
"""Before a log is opened anew: an engine that ends it at once must not keep a processor busy."""


class DockerLog:
    """The lines of one container; iterate once, close from anywhere."""

    def __init__(
        self, api: DockerApi, name: str, cursor: str | None, running: Callable[[], bool]
    ) -> None:
        self._api = api
        self._name = name
        self._frames = FrameReader(cursor)
        self._running = running
        self._lock = threading.Lock()
        self._closed = False
        self._closing = threading.Event()
        self._response: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration, also while another thread waits in it."""
        with self._lock:
            self._closed = True
            self._closing.set()
            if self._response is not None:
                with suppress(PaidError):
                    self._api.break_off(self._response)

    def __iter__(self) -> Iterator[LogLine]:
        """Read until the container has ended and its log is read.

        Silence longer than the read time-out breaks the connection; then the engine is asked
        whether the container still runs, and the log is followed on from the cursor.
        """
        ended = False
        while not self._closed:
            yield from self._connection()
            if ended or self._closed:
                break
            # Asked between two readings: once it has ended, one more finds its last line.
            ended = not self._running()
            if not ended:
                self._closing.wait(AGAIN_SECONDS)
        if not self._closed:
            yield from self._frames.last_lines()

    def _connection(self) -> Iterator[LogLine]:
        response = self._open()
        if response is None:
            return
        try:
            yield from self._frames.lines(reader_of(response))
        except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError):
            # Silent for too long, cut by a restart, or closed by `close`: the caller looks on.
            return
        finally:
            with self._lock:
                self._response = None
            response.close()

    def _open(self) -> Any:
        response = self._api.open_log(self._name, self._frames.since)
        with self._lock:
            if self._closed:
                response.close()
                return None
            self._response = response
        return response
