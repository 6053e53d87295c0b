"""One run as its templates want it, and the place from which its page reads on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from paid.errors import BadInputError
from paid.models import Event, Output
from paid.settings import Settings
from paid.store.caps import Cap
from paid.store.pages import RunDetail
from web.plain_text import plain
from web.views.activity import items
from web.views.forms import Form, Refusal, form_of
from web.views.item import Item
from web.views.meters import Meter, limit_meters, money_meters
from web.views.status import Badge, badge, what_to_do
from web.views.timeline import Phase, phases

LONGEST_CHUNK = 60_000
_CURSOR = re.compile(r"e(\d{1,18})\.o(\d{1,18})")


@dataclass(frozen=True)
class Cursor:
    """Up to where a reader has a run's events (by their place in the chain) and its output."""

    seq: int = 0
    output_id: int = 0

    def __str__(self) -> str:
        return f"e{self.seq}.o{self.output_id}"

    @classmethod
    def read(cls, text: str) -> Cursor:
        """The cursor that `str` wrote. Raises BadInputError for anything else."""
        found = _CURSOR.fullmatch(text) if text.isascii() else None
        if found is None:
            raise BadInputError("That is not a place in a stream.", hint="Load the page again.")
        return cls(int(found[1]), int(found[2]))


@dataclass(frozen=True)
class RunPage:
    """Everything on a run's page; its live parts are made from the same."""

    detail: RunDetail
    badge: Badge
    advice: str
    phases: list[Phase]
    money: list[Meter]
    limits: list[Meter]
    cap: Cap | None
    activity: list[Item]
    output: list[str]
    cursor: Cursor
    temporal_url: str | None
    earlier: int | None
    """The place before which there is more to show; None at the beginning."""
    is_live: bool
    refusal: Refusal | None = None

    def form(self, name: str) -> Form:
        """The form that raises the cap (`raise`), or lets secrets go (`release`)."""
        return form_of(self.refusal, name)

    def shows(self, name: str) -> bool:
        """Whether the page has the form."""
        if name == "release":
            return bool(self.detail.secrets)
        return self.cap is not None and not self.detail.run.ended


def run_page(
    detail: RunDetail,
    cap: Cap | None,
    settings: Settings,
    events: Sequence[Event] = (),
    output: Sequence[Output] = (),
    before: int | None = None,
    refusal: Refusal | None = None,
) -> RunPage:
    """Put the page together; with `before`, one of what happened before that event."""
    first = events[0].seq if events else None
    return RunPage(
        detail=detail,
        badge=badge(detail.run, detail.hold),
        advice=what_to_do(detail.run),
        phases=phases(detail),
        money=money_meters(detail),
        limits=limit_meters(detail),
        cap=cap,
        activity=items(events),
        output=chunks(output),
        cursor=Cursor(
            max((event.seq or 0 for event in events), default=0),
            max((batch.id or 0 for batch in output), default=0),
        ),
        temporal_url=temporal_url(settings, detail.run.workflow_id),
        earlier=first if first is not None and first > 1 else None,
        is_live=before is None and not detail.run.ended,
        refusal=refusal,
    )


def chunks(output: Sequence[Output]) -> list[str]:
    """Batches of output as safe text, each bounded so that no browser chokes on one."""
    return [_chunk(plain(batch.text)) for batch in output]


def temporal_url(settings: Settings, workflow_id: str) -> str | None:
    """The run's page in Temporal's own pages; None when there are none."""
    if not settings.temporal_ui_url:
        return None
    base = settings.temporal_ui_url.rstrip("/")
    namespace = quote(settings.temporal_namespace, safe="")
    return f"{base}/namespaces/{namespace}/workflows/{quote(workflow_id, safe='')}"


def _chunk(text: str) -> str:
    if len(text) > LONGEST_CHUNK:
        half = LONGEST_CHUNK // 2
        left_out = len(text) - 2 * half
        text = f"{text[:half]}\n… {left_out:,} characters left out …\n{text[-half:]}"
    return text if text.endswith("\n") else text + "\n"
