"""The template environment: autoescaped, strict about names, with the words that pages share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from paid.github.titles import seen_title
from paid.models import Project
from paid.store import token_expiry
from paid.store.projects import GITHUB_API_URL
from web.plain_text import plain, shortened
from web.views.budget_raise import suggested_dollars
from web.views.status import badge

HERE = Path(__file__).parent
TEMPLATES = HERE / "templates"
STATIC = HERE / "static"
_MICRODOLLARS = 1_000_000


def token_warning(project: Project) -> str:
    """That a project's token ends soon; nothing while there is time, or none is known."""
    end = project.token_expires_at
    if end is None or not token_expiry.is_near(end, datetime.now(UTC)):
        return ""
    return f"The GitHub token {token_expiry.ends(end)}. {token_expiry.mend(project)}"


@cache
def template_environment(asset_version: str) -> Environment:
    """The environment, one a process: it keeps the templates that it has compiled.

    `asset_version` makes browsers fetch changed styles and scripts.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset_version=asset_version, money=money)
    environment.filters.update(
        money=money,
        badge=badge,
        suggested_dollars=suggested_dollars,
        count=count,
        moment=moment,
        iso=iso,
        span=span,
        seconds_between=seconds_between,
        plain=plain,
        shortened=shortened,
        seen_title=seen_title,
        token_warning=token_warning,
        web_address=web_address,
        in_a_list=in_a_list,
        words=words,
        pretty=pretty,
    )
    return environment


def money(microdollars: int | None) -> str:
    """Dollars as people read them; fractions of a cent show, because model calls cost them."""
    if microdollars is None:
        return "no limit"
    dollars = microdollars / _MICRODOLLARS
    if 0 < abs(dollars) < 0.1:
        return f"${dollars:.4f}".rstrip("0")
    return f"${dollars:,.2f}"


def count(number: int) -> str:
    """Numbers that are read at a glance: 950, 12.3k, 4.1M."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f}".rstrip("0").rstrip(".") + letter
    return str(number)


def moment(at: datetime) -> str:
    """A time for people; pages show all times in UTC and say so."""
    return f"{at.astimezone(UTC):%d %b %Y, %H:%M:%S} UTC"


def iso(at: datetime) -> str:
    """A time for programs."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def span(duration: timedelta | float) -> str:
    """Two units at most: `45s`, `3m 20s`, `2h 5m`, `4d 1h`. static/paid.js counts on alike."""
    total = duration.total_seconds() if isinstance(duration, timedelta) else duration
    seconds = max(0, int(total))
    for size, unit, smaller_size, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if seconds >= size:
            rest = seconds % size // smaller_size
            return (
                f"{seconds // size}{unit} {rest}{smaller}" if rest else f"{seconds // size}{unit}"
            )
    return f"{seconds}s"


def seconds_between(start: datetime, end: datetime | None) -> float:
    """How long it took, or has taken until now."""
    return ((end or datetime.now(UTC)) - start).total_seconds()


def in_a_list(project: Project) -> str:
    """A project among others: two servers may each have a repository of one name."""
    other_server = project.api_url != GITHUB_API_URL
    server = f" on {urlsplit(project.api_url).hostname}" if other_server else ""
    return f"{project.full_name}{server}{' (removed)' if project.state == 'removed' else ''}"


def web_address(value: str | None) -> str | None:
    """An address that may stand in `href`: http or https, with a host; else None."""
    if not value:
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in ("http", "https") and parts.netloc else None


def words(value: str) -> str:
    """`awaiting_approval` as people say it."""
    return value.replace("_", " ").replace(".", " ")


def pretty(value: Any) -> str:
    """JSON for reading."""
    if isinstance(value, str):
        return plain(value)
    return plain(json.dumps(value, indent=2, ensure_ascii=False, default=str))
