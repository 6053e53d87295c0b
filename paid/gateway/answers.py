"""What the gateway says when it does not pass a vendor's answer on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from paid.gateway.books import Cap
from paid.gateway.headers import headers_down
from paid.gateway.keys import KeyPool
from paid.gateway.vendors import error_body

CLOSE = {"connection": "close"}
LONGEST_MESSAGE = 2000


class AnswerError(Exception):
    """Raised, or returned, to answer the client with an error in its vendor's form.

    `words` are the vendor's own, to be passed on as they came.
    """

    words: bytes | None = None

    def __init__(
        self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})


def refusal(vendor: str, error: AnswerError) -> web.Response:
    """The error as the vendor would send it."""
    status, code = error.status, error.code
    if vendor == "openai" and code == "budget_exceeded":
        # OpenAI says this with 429, and its clients know that this code is not to be retried.
        status, code = 429, "insufficient_quota"
    body = error.words or error_body(vendor, status, str(error), code)
    response = web.Response(status=status, body=body, content_type="application/json")
    response.headers.update(error.headers)
    if error.headers.get("connection") == "close":
        response.force_close()
    return response


def vendors_refusal(
    vendor: str, status: int, body: Mapping[str, Any], headers: Mapping[str, str]
) -> AnswerError:
    """What the vendor said, with the headers that say when to come back and what to quote to it."""
    if status == 401:
        # The vendor's text quotes a part of the key.
        return AnswerError(401, f"{vendor} refuses this host's key.", "host_key")
    kept = {name: value for name, value in headers_down(headers) if name.lower() != "content-type"}
    said = body.get("error")
    message = said.get("message") if isinstance(said, Mapping) else said
    return AnswerError(
        status,
        str(message)[:LONGEST_MESSAGE] if message else f"{vendor} answered {status}.",
        f"vendor_{status}",
        kept,
    )


def no_key(vendor: str) -> AnswerError:
    """This host cannot ask the vendor at all."""
    return AnswerError(503, f"This host has no key for {vendor} that can be used now.", "no_key")


def resting(vendor: str, pool: KeyPool) -> AnswerError:
    """What to say when no key can be used before any was tried."""
    left = pool.rests_for()
    if left is None:
        return no_key(vendor)
    seconds = int(left) + 1
    message = f"Every key for {vendor} has reached its limit."
    return AnswerError(429, message, "rate_limit_exceeded", {"retry-after": str(seconds)})


def busy(cap: Cap) -> AnswerError:
    """Others hold what is left: worth another try."""
    message = f"Other requests have reserved what is left of the budget of this {_named(cap)}."
    return AnswerError(429, message, "budget_reserved", {"retry-after": "5"})


def no_money(cap: Cap, needed_microdollars: int, unseen: str = "") -> AnswerError:
    """Nothing is left: not worth another try. `unseen` is what may fill the model's window."""
    limit, needed = cap.limit_microdollars / 1_000_000, needed_microdollars / 1_000_000
    left = max(0, cap.limit_microdollars - cap.spent_microdollars) / 1_000_000
    why = f", because nobody here knows how long {unseen!r} is" if unseen else ""
    message = (
        f"The budget of this {_named(cap)} (USD {limit:.2f}) leaves no room for this: it may"
        f" cost up to USD {needed:.2f}{why}, and USD {left:.2f} is left. Raise the budget, choose a"
        " cheaper model, set a smaller maximum output, or send less at once."
    )
    return AnswerError(402, message, "budget_exceeded", {"x-should-retry": "false"})


def _named(cap: Cap) -> str:
    return cap.scope if cap.period == "total" else f"{cap.scope}'s {cap.period}"
