"""Addresses that a server gives: of the next page of a list, and of where something went.

The token goes to the project's own server alone, whatever an answer says.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from paid.errors import GitHubError

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_IS_NEXT = re.compile(r';\s*rel="?(?:[^";]*\s)?next\b', re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def next_page(link: str, api_url: str) -> str | None:
    """The path and query, below the API's address, of `rel="next"` in a Link header.

    None when there is none. Its cursor cannot be made up: past 100 pages GitHub takes no page
    number. The host in it is not looked at, because servers behind a proxy may not know theirs.
    """
    for found in _LINK.finditer(link):
        if _IS_NEXT.search(found[2]):
            return _below(_split(found[1]), api_url)
    return None


def is_elsewhere(status: int, verb: str) -> bool:
    """Whether an answer says to ask again elsewhere, as for a repository that was renamed."""
    return status in (307, 308) or (verb == "GET" and status in (301, 302, 303))


def moved_to(location: str | None, api_url: str) -> str:
    """The path and query that a redirect leads to; GitHubError when that is another server."""
    to, here = _split(location or ""), urlsplit(api_url)
    path = _below(to, api_url) if _server(to) == _server(here) else None
    if path is None:
        raise GitHubError(
            f"GitHub redirected to {_shown(to)}, which is not the project's API.",
            hint="Check the project's API address.",
        )
    return path


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")  # a bracket too many: leads nowhere


def _below(address: SplitResult, api_url: str) -> str | None:
    prefix = urlsplit(api_url).path.rstrip("/")
    if not address.path.startswith(f"{prefix}/"):
        return None
    path = address.path.removeprefix(prefix)
    return f"{path}?{address.query}" if address.query else path


def _server(address: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = address.port
    except ValueError:
        return "", None, None  # not a number: no server's
    return address.scheme, address.hostname, port or _PORTS.get(address.scheme)


def _shown(address: SplitResult) -> str:
    return f"{address.scheme}://{address.hostname}" if address.hostname else "nowhere"
