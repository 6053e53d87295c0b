"""What a server has answered, kept by its ETag."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

CACHE_CHARS = 32 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """An answer, to be used again when the server says that it is as it was."""

    etag: str
    body: str
    headers: Mapping[str, str]

    @property
    def chars(self) -> int:
        """Headers count: an empty list, asked with ever new `since`, has little else."""
        return len(self.body) + sum(len(name) + len(text) for name, text in self.headers.items())


class EtagCache:
    """Bodies by address, so that asking again costs no rate limit; the least used go first."""

    def __init__(self, most_chars: int = CACHE_CHARS) -> None:
        self._most_chars = most_chars
        self._chars = 0
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Kept | None:
        """What was kept for an address."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def put(self, key: str, kept: Kept) -> None:
        """Keep a body, and let the least used go until all fit."""
        with self._lock:
            self._drop(key)
            self._kept[key] = kept
            self._chars += kept.chars
            while self._chars > self._most_chars:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: str) -> None:
        gone = self._kept.pop(key, None)
        if gone is not None:
            self._chars -= gone.chars
