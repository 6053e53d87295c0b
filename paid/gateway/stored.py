"""Answers that OpenAI keeps can be asked for again by their ids, for what they cost.

So what a lost connection or a killed gateway cut off is corrected to the vendor's own count. This
is for the Responses API without `store: false`; Chat Completions are kept only on demand, and
Anthropic and Gemini keep nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp

from paid.errors import PriceUnknownError
from paid.gateway.books import Books, Reservation
from paid.gateway.counts import COLUMNS
from paid.gateway.encodings import pieces
from paid.gateway.metering import METERS, Metered
from paid.gateway.prices import Prices
from paid.gateway.routes import Route
from paid.gateway.upstream import Upstream
from paid.gateway.vendors import Vendor

log = logging.getLogger(__name__)

ASK_SECONDS = 10.0
ASK_AGAIN_SECONDS = 1.0
"""How long an answer that is still being written is waited for, and how often it is looked at."""
LARGEST_ANSWER_BYTES = 16 << 20
MOST_NOTED = 10_000
"""Lines in the file before it is written anew."""
_UNFINISHED = frozenset({"in_progress", "queued"})


@dataclass(frozen=True)
class Note:
    """Under which id OpenAI keeps the answer to a request."""

    request_id: str
    run_id: int
    model: str
    answer_id: str


class NotesFile:
    """Notes, a line each; the kernel keeps them when the process is killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._notes: dict[str, Note] = {}

    def left_behind(self) -> list[Note]:
        """What an earlier gateway noted; a line that is not whole is left out."""
        found = []
        with suppress(OSError):
            for line in self._path.read_bytes().splitlines():
                with suppress(ValueError, TypeError):
                    found.append(Note(**json.loads(line)))
        return found

    def begin(self, notes: Collection[Note] = ()) -> None:
        """Begin anew, with these."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
        file = os.open(fresh, flags, 0o600)
        os.write(file, b"".join(map(_line, notes)))
        fresh.replace(self._path)
        self.close()
        self._file, self._notes = file, {note.request_id: note for note in notes}

    def add(self, note: Note, is_open: Collection[UUID]) -> None:
        """Note an answer. `is_open` has the requests that are under way."""
        if self._file is None or note.request_id in self._notes:
            return
        if len(self._notes) >= MOST_NOTED:
            named = {str(each) for each in is_open}
            self.begin([kept for kept in self._notes.values() if kept.request_id in named])
        self._notes[note.request_id] = note
        with suppress(OSError):
            os.write(self._file, _line(note))

    def close(self) -> None:
        """Close it, if it was ever begun."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class StoredAnswers:
    """Asks OpenAI for what it has kept."""

    def __init__(self, upstream: Upstream, vendors: Mapping[str, Vendor]) -> None:
        self._upstream = upstream
        self._vendor = vendors["openai"]

    async def counted(self, answer_id: str) -> Metered | None:
        """What an answer used, by the vendor's own count; None where that cannot be had.

        One that is still being written is waited for, but not for long.
        """
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(ASK_SECONDS):
                for key in self._vendor.keys:
                    found = await self._ended(answer_id, key)
                    if found is not None:
                        return found
        return None

    async def _ended(self, answer_id: str, key: str) -> Metered | None:
        while True:
            body = await self._ask(answer_id, key)
            if body is None:
                return None
            with suppress(ValueError, AttributeError):
                if json.loads(body).get("status") in _UNFINISHED:
                    await asyncio.sleep(ASK_AGAIN_SECONDS)
                    continue
            meter = METERS["responses"](sent_bytes=0)
            meter.feed(body)
            metered = meter.result(is_whole=True)
            return metered if metered.basis == "vendor" and metered.counts else None

    async def _ask(self, answer_id: str, key: str) -> bytes | None:
        route = Route("openai", "describe", "responses", f"/responses/{answer_id}")
        sent = self._upstream.send(self._vendor, key, route, {"accept": "application/json"})
        async with await sent as answer:
            if answer.status != 200:
                return None
            body = b""
            async for piece in pieces(answer):
                body += piece
                if len(body) > LARGEST_ANSWER_BYTES:
                    return None
            return body


def _line(note: Note) -> bytes:
    return json.dumps(asdict(note)).encode() + b"\n"


class Corrections:
    """Replaces what was charged whole after a gateway's end by what the vendor counted."""

    def __init__(self, books: Books, prices: Prices, stored: StoredAnswers) -> None:
        self._books = books
        self._prices = prices
        self._stored = stored

    async def make(self, notes: Sequence[Note]) -> None:
        """What cannot be had stays an upper bound. Raises DatabaseError."""
        expired = await self._books.expired([note.request_id for note in notes])
        for note in notes:
            if note.request_id in expired:
                await self._correct(note)

    async def _correct(self, note: Note) -> None:
        metered = await self._stored.counted(note.answer_id)
        if metered is None:
            return
        try:
            tariff = self._prices.tariff("openai", note.model)
            amount = tariff.cost(metered.counts, metered.tier)
        except (PriceUnknownError, ValueError, ArithmeticError, TypeError, LookupError):
            log.warning("what OpenAI counted for %s cannot be priced", note.answer_id)
            return
        request_id = UUID(note.request_id)
        lost = Reservation(note.run_id, b"", 0, "openai", note.model, request_id)
        self._books.settle(lost, partial(_bill, note, metered, amount))


def _bill(note: Note, metered: Metered, amount: int) -> dict[str, Any]:
    counts = {column: metered.counts.get(name, 0) for column, name in COLUMNS.items()}
    detail = {"wire": "responses", "answer_id": note.answer_id, "tier": dict(metered.tier)}
    return counts | {"amount": amount, "basis": "vendor", "model": note.model, "detail": detail}
