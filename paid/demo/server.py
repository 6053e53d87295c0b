"""An aiohttp application on a loopback port of its own, in a thread of this process.

The demo's stand-ins (forge, scripted model) are used in three ways: by `bin/demo`, as a child
process, and inside a test; one small class serves all three.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from aiohttp import web

from paid.errors import EmbeddedServiceError

START_SECONDS = 10
STOP_SECONDS = 5
MAX_BODY_BYTES = 256 * 1024 * 1024
"""Pushes arrive as one request, and the gateway must be able to pass a body of 100 MB."""


class LoopbackServer:
    """Runs an application between `start` and `stop`; `url` is known after `start`."""

    def __init__(self, build: Callable[[], web.Application], port: int = 0) -> None:
        self._build = build
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._ready = threading.Event()
        self.url = ""

    def start(self) -> str:
        """Listen on 127.0.0.1 and answer the base address, without a slash at its end."""
        self._thread = threading.Thread(target=self._run, name="loopback-server", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_SECONDS) or self._failure is not None:
            raise EmbeddedServiceError(f"The demo server did not start: {self._failure}")
        return self.url

    def stop(self) -> None:
        """Close connections and listener; a second call does nothing."""
        loop, stopping, thread = self._loop, self._stopping, self._thread
        if loop is None or stopping is None or thread is None or not thread.is_alive():
            return
        loop.call_soon_threadsafe(stopping.set)
        thread.join(STOP_SECONDS)

    def wait(self) -> None:
        """Block until the server stops; for a program that does nothing else."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as failure:
            self._failure = failure
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        runner = web.AppRunner(
            self._build(), access_log=None, shutdown_timeout=1, handler_cancellation=True
        )
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", self._port)
            await site.start()
            host, port = runner.addresses[0][:2]
            self.url = f"http://{host}:{port}"
            self._ready.set()
            await self._stopping.wait()
        finally:
            await runner.cleanup()
