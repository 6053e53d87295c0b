"""A limit on attempts by the address of the connection itself.

Headers such as X-Forwarded-For are the attacker's to choose, so they are not looked at; behind a
proxy all people share one allowance, which is wide enough for signing in.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock


class AttemptLimit:
    """At most `attempts` in `window_seconds` for one address, and ten times that for everybody.

    IPv6 addresses count by their /64, which is what one machine commonly owns.
    """

    def __init__(
        self,
        attempts: int = 10,
        window_seconds: float = 60,
        clock: Callable[[], float] = time.monotonic,
        most_addresses: int = 10_000,
    ) -> None:
        self._attempts = attempts
        self._window_seconds = window_seconds
        self._clock = clock
        self._most_addresses = most_addresses
        self._seen: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = Lock()

    def retry_after_seconds(self, address: str) -> int:
        """Count an attempt; 0 when it is allowed, else how long to wait."""
        with self._lock:
            waits = [
                self._count("*", self._attempts * 10),
                self._count(_owner(address), self._attempts),
            ]
        return max(waits)

    def _count(self, key: str, allowed: int) -> int:
        now = self._clock()
        recent = [at for at in self._seen.get(key, []) if at > now - self._window_seconds]
        self._seen[key] = recent
        self._seen.move_to_end(key)
        while len(self._seen) > self._most_addresses:
            self._seen.popitem(last=False)
        if len(recent) >= allowed:
            return int(recent[0] + self._window_seconds - now) + 1
        recent.append(now)
        return 0


def _owner(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
