"""How an answer travels: at a pace, cut where a fault says so, charged for what was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from aiohttp import web

from paid.demo.scripted_model.conversation import Ask, Chunk, Reply, Usage
from paid.demo.scripted_model.faults import Fault
from paid.demo.scripted_model.wires import Wire

Charge = Callable[[Usage, bool], None]
"""Called once an answer, with the usage and whether all of it was sent."""


@dataclass(frozen=True)
class Delivery:
    """One answer on its way. `seconds` is how long its words take at least."""

    wire: Wire
    ask: Ask
    reply: Reply
    usage: Usage
    fault: Fault | None
    charge: Charge
    seconds: float = 0
    tokens_per_second: float | None = None

    async def send(self, request: web.Request) -> web.StreamResponse:
        """Answer in one piece or as a stream, as it was asked."""
        if self.ask.stream:
            chunks = self.wire.stream(self.ask, self.reply, self._reported)
            return await self._stream(request, list(chunks))
        await asyncio.sleep(self.seconds)
        body = json.dumps(self.wire.whole(self.ask, self.reply, self._reported)).encode()
        self.charge(self.usage, True)
        if self._cut is None:
            return web.Response(body=body, content_type="application/json")
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(body[: self._cut])
        hang_up(request)
        return response

    async def _stream(self, request: web.Request, chunks: list[Chunk]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        sent: list[Chunk] = []
        try:
            await self._write(request, response, chunks, sent)
        except BaseException:
            # A client that goes away cancels this handler; what was sent is charged all the same.
            if len(sent) < len(chunks):
                self.charge(self._seen(sent), False)
            raise
        return response

    async def _write(
        self,
        request: web.Request,
        response: web.StreamResponse,
        chunks: list[Chunk],
        sent: list[Chunk],
    ) -> None:
        """Charge before the client can see the end: who has seen it finds it on the bill."""
        pause = self._pause_a_token(chunks)
        room = self._cut
        for chunk in chunks:
            if room is not None and len(chunk.data) > room:
                await response.write(chunk.data[:room])
                self.charge(self._seen(sent), False)
                hang_up(request)
                return
            sent.append(chunk)
            if len(sent) == len(chunks):
                self.charge(self.usage, True)
            await response.write(chunk.data)
            room = None if room is None else room - len(chunk.data)
            if pause and chunk.tokens:
                await asyncio.sleep(pause * chunk.tokens)
        await response.write_eof()

    def _pause_a_token(self, chunks: Iterable[Chunk]) -> float:
        tokens = sum(chunk.tokens for chunk in chunks)
        pace = 1 / self.tokens_per_second if self.tokens_per_second else 0.0
        return max(pace, self.seconds / max(1, tokens))

    def _seen(self, sent: list[Chunk]) -> Usage:
        output = max(1, sum(chunk.tokens for chunk in sent))
        return replace(self.usage, output=output, reasoning=min(self.usage.reasoning, output))

    @property
    def _reported(self) -> Usage | None:
        return None if self.fault and self.fault.kind == "no_usage" else self.usage

    @property
    def _cut(self) -> int | None:
        return self.fault.at_byte if self.fault and self.fault.kind == "cut" else None


def hang_up(request: web.Request) -> None:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.close()
