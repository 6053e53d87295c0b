"""Which headers pass: to the vendor a list of the harmless, to the client all but the hop's."""

from __future__ import annotations

from collections.abc import Mapping

_PASSED_UP = frozenset(
    {
        "accept",
        "anthropic-beta",
        "anthropic-version",
        "content-type",
        "conversation_id",
        "openai-beta",
        "originator",
        "session_id",
        "user-agent",
        "x-app",
        "x-client-request-id",
        "x-goog-api-client",
    }
)
_KEPT_DOWN = frozenset(
    {
        "alt-svc",
        "anthropic-organization-id",
        "connection",
        "content-encoding",
        "content-length",
        "keep-alive",
        "location",
        "openai-organization",
        "openai-project",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "set-cookie",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def headers_up(given: Mapping[str, str]) -> dict[str, str]:
    """What of the client's headers goes to the vendor: a list of the harmless, not of the bad.

    Everything that a `Connection` header could name is left out with the rest, and so is every
    credential, wherever the client put it. One that is there several times becomes a list, so that
    what was looked at here is what the vendor sees.
    """
    found: dict[str, str] = {}
    for name, value in given.items():
        lowered = name.lower()
        if lowered in _PASSED_UP or lowered.startswith("x-stainless-"):
            found[lowered] = f"{found[lowered]}, {value}" if lowered in found else value
    return found


def headers_down(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """What of the vendor's headers goes to the client: not the hop's, not the account's."""
    named = {name.strip().lower() for name in given.get("connection", "").split(",")}
    return [
        (name, value)
        for name, value in given.items()
        if name.lower() not in _KEPT_DOWN and name.lower() not in named
    ]
