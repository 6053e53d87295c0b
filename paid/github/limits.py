"""How long GitHub wants to be left alone.

The rules are those of GitHub's page "Best practices for using the REST API": `retry-after` first,
else the reset time when nothing remains, else at least a minute.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_LIMITS = ("rate limit", "abuse detection", "try again later", "retry your request again later")
LEAST_SECONDS = 60.0
MOST_SECONDS = 3600.0 * 6


def retry_after_seconds(
    status: int, headers: Mapping[str, str], message: str, now: datetime
) -> float | None:
    """Seconds to wait when the answer is a rate limit, primary or secondary; None when not.

    GitHub gives 422 to what is written too quickly, as if the text were at fault.
    """
    if status not in (403, 429) and not (status == 422 and "too quickly" in message.lower()):
        return None
    said = _seconds(headers.get("retry-after"), now)
    if said is not None:
        return said
    if headers.get("x-ratelimit-remaining") == "0":
        return _until_reset(headers.get("x-ratelimit-reset"), now)
    if status in (422, 429) or speaks_of_a_limit(message):
        return LEAST_SECONDS
    return None


def _seconds(value: str | None, now: datetime) -> float | None:
    if value is None:
        return None
    try:
        return _bounded(float(value))
    except ValueError:
        pass
    try:
        return _bounded((parsedate_to_datetime(value) - now).total_seconds())
    except (ValueError, TypeError):
        return LEAST_SECONDS


def _until_reset(value: str | None, now: datetime) -> float:
    try:
        # one second more, because the reset is given in whole seconds
        return _bounded(float(value or "") - now.timestamp() + 1)
    except ValueError:
        return LEAST_SECONDS


def _bounded(seconds: float) -> float:
    if seconds != seconds:  # NaN, which a header may spell
        return LEAST_SECONDS
    return min(max(seconds, 1.0), MOST_SECONDS)


def speaks_of_a_limit(message: str) -> bool:
    """Whether a refusal is one for a time, and says nothing of the token's rights."""
    lowered = message.lower()
    return any(words in lowered for words in _LIMITS)
