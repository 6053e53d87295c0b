"""Several keys for a vendor: which one to use now, and when the next is good again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from math import isfinite
from time import monotonic
from typing import Any

LIMITED_SECONDS = 10.0
"""A key's rest after a 429 that does not say when to come back."""
BROKEN_SECONDS = 300.0
"""A key's rest after the vendor refused it: somebody has to mend it."""
EXHAUSTED_SECONDS = 3600.0
"""A key's rest when its account has no money left: the vendor cannot say when somebody pays."""
LONGEST_SECONDS = 35 * 86400.0
_LIMITS = (
    "anthropic-ratelimit-requests-{}",
    "anthropic-ratelimit-tokens-{}",
    "anthropic-ratelimit-input-tokens-{}",
    "anthropic-ratelimit-output-tokens-{}",
    "anthropic-ratelimit-unified-{}",
    "x-ratelimit-{}-requests",
    "x-ratelimit-{}-tokens",
)
"""The vendors' headers about each limit: `reset`, and `remaining`."""
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass
class KeyPool:
    """The keys of one vendor in order of preference; the first that does not rest is used.

    The first stays the first: a prompt cache belongs to the account of the key that filled it.
    `clock` counts seconds, whatever the time of the day is set to.
    """

    keys: tuple[str, ...] = field(repr=False)
    clock: Callable[[], float] = field(default=monotonic, repr=False)
    _rests_until: dict[str, float] = field(default_factory=dict, repr=False)

    def usable(self) -> list[str]:
        """The keys to try, best first."""
        now = self.clock()
        return [key for key in self.keys if self._rests_until.get(key, now) <= now]

    def rest(self, key: str, seconds: float) -> None:
        """Do not use a key for so long."""
        until = self.clock() + seconds
        self._rests_until[key] = max(until, self._rests_until.get(key, until))

    def rests_for(self) -> float | None:
        """Seconds until the first of the resting keys may be used; None without any."""
        if not self._rests_until:
            return None
        return max(0.0, min(self._rests_until.values()) - self.clock())


def read_error(words: bytes) -> Mapping[str, Any]:
    """A vendor's error; empty when it makes no sense. Where Gemini streams, it is in an array."""
    try:
        body = json.loads(words)
    except (ValueError, RecursionError):
        return {}
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    return body if isinstance(body, dict) and "error" in body else {}


def meaning(status: int, body: Mapping[str, Any]) -> int:
    """A refusal's status, or the one that says better what it means for the key.

    Gemini answers 400 to a key that is none, and Anthropic to an account without money.
    """
    error = body.get("error")
    if status != 400 or not isinstance(error, dict):
        return status
    details = error.get("details")
    named = (
        [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
    )
    if any(each.get("reason") == "API_KEY_INVALID" for each in named):
        return 401
    return 402 if str(error.get("message")).startswith("Your credit balance is too low") else 400


def rest_seconds(status: int, headers: Mapping[str, str], body: Any, now: datetime) -> float:
    """For how long a key that was refused shall rest, from what the vendor said.

    Moments count from the vendor's own clock, its `Date`; from `now` where it has none.
    """
    if status in (401, 403):
        return BROKEN_SECONDS
    now += timedelta(seconds=_moment(headers.get("date"), now) or 0.0)
    said = _retry_after_ms(headers.get("retry-after-ms"))
    if said is None:
        said = _retry_after(headers.get("retry-after"), now)
    if said is None:
        said = _gemini_delay(body)
    if said is None and _exhausted(status, body):
        said = EXHAUSTED_SECONDS
    if said is None:
        said = _reset(headers, now)
    return LIMITED_SECONDS if said is None else min(max(said, 0.0), LONGEST_SECONDS)


def _exhausted(status: int, body: Any) -> bool:
    """Whether the account behind the key has to be paid for first."""
    try:
        return status == 402 or body["error"]["code"] == "insufficient_quota"
    except (TypeError, KeyError):
        return False


def _reset(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the limit that was met resets; the longest of all, when none is said to be."""
    resets = {name: _until(headers.get(name.format("reset")), now) for name in _LIMITS}
    known = {name: seconds for name, seconds in resets.items() if seconds is not None}
    met = {name for name in known if headers.get(name.format("remaining")) == "0"}
    return max((known[name] for name in met or known), default=None)


def _until(value: str | None, now: datetime) -> float | None:
    """A moment, or a span of time as Go writes it: `6m0s`, `1h2m3.5s`, `120ms`."""
    if value and _SPAN.sub("", value) == "":
        return sum(float(number) * _UNITS[unit] for number, unit in _SPAN.findall(value))
    return _moment(value, now)


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds, or a date, as RFC 9110 has it."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _moment(value, now)
    return seconds if isfinite(seconds) else None


def _retry_after_ms(value: str | None) -> float | None:
    """OpenAI's and Anthropic's own, which their clients read first."""
    try:
        seconds = float(value or "") / 1000
    except ValueError:
        return None
    return seconds if isfinite(seconds) else None


def _moment(value: str | None, now: datetime) -> float | None:
    """Seconds until a moment given as RFC 3339, as an HTTP date, or in seconds of the epoch."""
    if not value:
        return None
    for read in (datetime.fromisoformat, parsedate_to_datetime, _epoch):
        try:
            moment = read(value)
        except (ValueError, TypeError, OverflowError, OSError):
            continue
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - now).total_seconds()
    return None


def _epoch(value: str) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)


def _gemini_delay(body: Any) -> float | None:
    """`retryDelay` of google.rpc.RetryInfo, such as "37s"."""
    try:
        details = body["error"]["details"]
        delay = next(each["retryDelay"] for each in details if "retryDelay" in each)
        number = delay.rstrip("smhd")
        return float(number) * _UNITS[delay[len(number) :] or "s"]
    except (TypeError, KeyError, ValueError, StopIteration, AttributeError):
        return None
