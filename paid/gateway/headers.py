"""Which headers pass: to the vendor a list of the harmless, to the client all but the hop's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

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
"""The harmless ones, and those that are set or looked at in `_SAID`.

Left out on purpose: what would make a vendor read or account for a request otherwise than it was
checked (`content-encoding`, `x-http-method-override`, `x-goog-fieldmask`, `x-goog-user-project`,
`openai-organization`, `openai-project`), and `idempotency-key`, under which a vendor could answer
with what another run of the same account paid for.
"""
ANTHROPIC_VERSION = "2023-06-01"
"""The one version of the protocol that is read here; so it is the one that is spoken."""
_ANSWERS = frozenset({"*/*", "application/*", "application/json", "text/event-stream"})
_OPENAI_BETA = re.compile(r"responses=[\w.-]{1,40}")
_BETAS = re.compile(r"[\w.,\t -]*")
_SAID: Mapping[str, Callable[[str], str | None]] = {
    "accept": lambda given: given if _accepts_text(given) else "*/*",
    "anthropic-beta": lambda given: given if _BETAS.fullmatch(given) else None,
    "anthropic-version": lambda _: ANTHROPIC_VERSION,
    "content-type": lambda _: "application/json",
    "openai-beta": lambda given: given if _OPENAI_BETA.fullmatch(given) else None,
}
"""What is said instead of what the client said, where that decides how bytes are read."""
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


def headers_up(given: Mapping[str, str], *, has_body: bool = True) -> dict[str, str]:
    """What of the client's headers goes to the vendor: a list of the harmless, not of the bad.

    Everything that a `Connection` header could name is left out with the rest, and so is every
    credential, wherever the client put it. One that is there several times becomes a list, so that
    what was looked at here is what the vendor sees. A body was read as JSON, and is sent as that.
    """
    found: dict[str, str] = {"content-type": ""} if has_body else {}
    for name, value in given.items():
        lowered = name.lower()
        if lowered == "content-type":
            continue
        if lowered in _PASSED_UP or lowered.startswith("x-stainless-"):
            found[lowered] = f"{found[lowered]}, {value}" if lowered in found else value
    for name in found.keys() & _SAID.keys():
        said = _SAID[name](found[name])
        if said is None:
            del found[name]
        else:
            found[name] = said
    return found


def _accepts_text(given: str) -> bool:
    """Whether only answers are asked for that can be metered."""
    kinds = (kind.partition(";")[0].strip().lower() for kind in given.split(","))
    return all(kind in _ANSWERS for kind in kinds)


def headers_down(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """What of the vendor's headers goes to the client: not the hop's, not the account's."""
    named = {name.strip().lower() for name in given.get("connection", "").split(",")}
    return [
        (name, value)
        for name, value in given.items()
        if name.lower() not in _KEPT_DOWN and name.lower() not in named
    ]
