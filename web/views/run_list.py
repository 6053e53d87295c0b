"""The list of runs as its templates want it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from paid.models import Project
from paid.store.run_list import Figures, RunFilter, RunGroup, RunListing

_TABS = {
    RunGroup.ALL: "All",
    RunGroup.LIVE: "Running",
    RunGroup.ATTENTION: "Needs you",
    RunGroup.COMPLETED: "Completed",
    RunGroup.ENDED: "Ended otherwise",
}


@dataclass(frozen=True)
class Tab:
    """A filter by group, with the number of its runs."""

    text: str
    address: str
    count: int
    current: bool


@dataclass(frozen=True)
class ListPage:
    """Everything on the page of runs; `cursor` is the newest event that it knows of."""

    cursor: int
    listing: RunListing
    figures: Figures
    projects: Sequence[Project]
    wanted: RunFilter
    tabs: list[Tab]

    @property
    def address(self) -> str:
        """The page itself, for reloading its list."""
        return address(replace(self.wanted, page=self.listing.page))

    @property
    def newer(self) -> str | None:
        """The page before this one."""
        page = self.listing.page
        return address(replace(self.wanted, page=page - 1)) if page > 1 else None

    @property
    def older(self) -> str | None:
        """The page after this one."""
        page = self.listing.page
        return address(replace(self.wanted, page=page + 1)) if page < self.listing.pages else None

    @property
    def filtered(self) -> bool:
        """Whether an empty list may only mean that nothing matches."""
        return self.wanted != RunFilter()


def list_page(
    cursor: int,
    listing: RunListing,
    figures: Figures,
    projects: Sequence[Project],
    wanted: RunFilter,
) -> ListPage:
    """Put the page together."""
    tabs = [
        Tab(
            text,
            address(replace(wanted, group=group, page=1)),
            figures.counts[group],
            group is wanted.group,
        )
        for group, text in _TABS.items()
    ]
    return ListPage(cursor, listing, figures, projects, wanted, tabs)


def address(wanted: RunFilter) -> str:
    """The address of a filtered list, with what differs from the default."""
    parts = {
        "group": wanted.group.value if wanted.group is not RunGroup.ALL else "",
        "project": str(wanted.project_id or ""),
        "q": wanted.search,
        "page": str(wanted.page) if wanted.page > 1 else "",
    }
    query = urlencode({name: value for name, value in parts.items() if value})
    return f"/runs?{query}" if query else "/runs"
