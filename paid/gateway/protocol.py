"""HTTP as the gateway speaks it: how much of a head it takes, and its answer to what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable

from aiohttp import web

from paid.gateway.answers import CLOSE, AnswerError, refusal
from paid.gateway.vendors import vendor_of

log = logging.getLogger(__name__)

LONGEST_LINE_BYTES = 8 << 10
LONGEST_FIELD_BYTES = 32 << 10
KEEPALIVE_SECONDS = 75.0
LINGER_SECONDS = 2.0
"""How long a refused body is still read, so that its sender gets to see the refusal."""


class Protocol(web.RequestHandler):
    """One connection. Errors that come before there is a request look like all others."""

    __slots__ = ("when_lost",)

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_SECONDS,
            auto_decompress=False,
            lingering_time=LINGER_SECONDS,
            access_log=None,  # type: ignore[arg-type]
            logger=log,
            max_line_size=LONGEST_LINE_BYTES,
            max_field_size=LONGEST_FIELD_BYTES,
        )
        self.when_lost: Callable[[], None] | None = None
        """Told when the client of the present request has left; nothing else ends its work."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """As the base has it."""
        super().connection_lost(exc)
        if self.when_lost is not None:
            self.when_lost()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer in a vendor's form: whose that is is not known where the path cannot be read.

        The log does not quote the request: there may be a token in it. Raises ConnectionError when
        an answer has begun.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun")
        said = "The gateway failed." if status >= 500 else _reason(message or "")
        log.warning("%s", said, exc_info=exc if status >= 500 else None)
        return refusal(vendor_of(request.raw_path), AnswerError(status, said, "http", CLOSE))


def _reason(message: str) -> str:
    """What stands in front of the colon or the line's end; the rest quotes the request."""
    reason = re.split(r"[:\n]", message)[0]
    return f"This is not HTTP as the gateway takes it: {reason}."
