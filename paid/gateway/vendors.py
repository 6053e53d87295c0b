"""The vendors: where they are, how keys travel to them, and how errors look."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from paid.settings import Settings


@dataclass(frozen=True)
class Vendor:
    """Where a vendor is, and the keys for it. The keys never appear in a repr."""

    name: str
    base_url: str
    keys: tuple[str, ...] = field(repr=False)

    def authorisation(self, key: str) -> dict[str, str]:
        """The headers that carry a key."""
        if self.name == "anthropic":
            return {"x-api-key": key}
        if self.name == "gemini":
            return {"x-goog-api-key": key}
        return {"authorization": f"Bearer {key}"}


def vendors(settings: Settings) -> dict[str, Vendor]:
    """The vendors as the settings have them."""
    given = (
        ("anthropic", settings.anthropic_base_url, settings.anthropic_api_key),
        ("openai", settings.openai_base_url, settings.openai_api_key),
        ("gemini", settings.gemini_base_url, settings.gemini_api_key),
    )
    return {
        name: Vendor(name, url.rstrip("/"), tuple(key.get_secret_value() for key in keys))
        for name, url, keys in given
    }


_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    402: "insufficient_quota",
    403: "permission_error",
    429: "rate_limit_error",
}
_GEMINI_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _anthropic_error(status: int, message: str, code: str) -> object:
    kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "paid_code": code}


def _openai_error(status: int, message: str, code: str) -> object:
    kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _gemini_error(status: int, message: str, code: str) -> object:
    word = _GEMINI_STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}]
    return {"error": {"code": status, "message": message, "status": word, "details": details}}


FORMATS: Mapping[str, Callable[[int, str, str], object]] = {
    "anthropic": _anthropic_error,
    "openai": _openai_error,
    "gemini": _gemini_error,
}


def error_body(vendor: str, status: int, message: str, code: str) -> bytes:
    """An error in the vendor's own form, so that agents understand it."""
    return json.dumps(FORMATS[vendor](status, message, code)).encode()


def vendor_of(target: str) -> str:
    """The vendor in whose words to answer; OpenAI's are the ones that most clients know."""
    first = target[1:].partition("/")[0]
    return first if first in FORMATS else "openai"
