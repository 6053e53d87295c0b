"""Pages of lists, as GitHub has them: by number, or by cursors that only its links know."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from paid.demo.forge.calls import DEFAULT_PER_PAGE, MAX_PER_PAGE
from paid.demo.forge.errors import ApiError

MOST_BY_NUMBER = 10_000
"""Behind so many items, a list with cursors takes no page number."""
_NO_NUMBERS = "Pagination with the page parameter is not supported for large datasets, please use "
_NO_NUMBERS += "cursor based pagination (after/before)"


def page_of(
    items: Sequence[Any], query: Mapping[str, str], address: str, *, cursors: bool
) -> tuple[Sequence[Any], str]:
    """The items of the page that the query asks for, and the Link header ("" without one).

    A list with cursors tells neither its last page nor a number that can be made up.
    """
    page, size = _asked(query)
    if cursors and "after" in query:
        start = _start(query["after"])
    elif cursors and page * size > MOST_BY_NUMBER:
        raise ApiError(422, _NO_NUMBERS)
    else:
        start = (page - 1) * size
    links = _cursor_links(start, size, len(items)) if cursors else _links(page, size, len(items))
    shown = ", ".join(
        f'<{address}?{urlencode({**query, **more})}>; rel="{name}"' for name, more in links.items()
    )
    return items[start : start + size], shown


def _links(page: int, size: int, count: int) -> dict[str, dict[str, str]]:
    last = max(1, -(-count // size))
    numbers = {"prev": page - 1} if page > 1 else {}
    numbers |= {"next": page + 1, "last": last} if page < last else {}
    numbers |= {"first": 1} if page > 1 else {}
    return {name: {"page": str(number)} for name, number in numbers.items()}


def _cursor_links(start: int, size: int, count: int) -> dict[str, dict[str, str]]:
    if start + size >= count:
        return {}
    page = str((start + size) // size + 1)
    return {"next": {"page": page, "after": _cursor(start + size)}}


def _cursor(start: int) -> str:
    return base64.urlsafe_b64encode(f"cursor:v2:{start}".encode()).decode()


def _start(cursor: str) -> int:
    try:
        return max(0, int(base64.urlsafe_b64decode(cursor).decode().rpartition(":")[2]))
    except ValueError as error:
        raise ApiError(422, "Invalid cursor") from error


def _asked(query: Mapping[str, str]) -> tuple[int, int]:
    try:
        page, size = int(query.get("page", 1)), int(query.get("per_page", DEFAULT_PER_PAGE))
    except ValueError as error:
        raise ApiError(422, "Invalid page") from error
    return max(1, page), min(MAX_PER_PAGE, max(1, size))
