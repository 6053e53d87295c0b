"""What is left after a round, as plain values: all that the judge may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class IssueSeen:
    """A labelled issue, and what the forge has of it."""

    name: str
    """OWNER/REPO#NUMBER."""
    mark: str
    labels_set: int
    """How often the label was set: so many runs it shall have."""
    pulls: int = 0
    branches: int = 0
    comments: int = 0
    """Of Paid's, one a run at most."""
    counts_lines: bool = True
    """Whether its project's agent is the one that numbers its lines."""


@dataclass(frozen=True)
class StepSeen:
    """A step of a run, and of an agent's step what was stored of its output."""

    kind: str
    number: int
    state: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunSeen:
    """A run, with how often each kind of event that may come once a run (or a turn) came."""

    id: int
    issue: str
    status: str
    ended: bool
    code: str = ""
    message: str = ""
    has_pull: bool = False
    workflow_open: bool = False
    steps: tuple[StepSeen, ...] = ()
    events: Mapping[str, int] = field(default_factory=dict)
    destroyed: tuple[str, ...] = ()
    """Its containers that a blow removed or killed."""
    spent: int = 0
    reserved: int = 0


@dataclass(frozen=True)
class EntrySeen:
    """One entry of the ledger, in micro-dollars and tokens."""

    run_id: int
    basis: str
    amount: int
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True)
class BillSeen:
    """One request on the vendor's own bill, in micro-dollars and tokens."""

    mark: str
    amount: int
    input_tokens: int = 0
    output_tokens: int = 0
    complete: bool = True


@dataclass(frozen=True)
class LinkSeen:
    """One event of a chain: `digest` is worked out anew from what the row says."""

    seq: int
    prev_hash: bytes
    hash: bytes
    digest: bytes


@dataclass(frozen=True)
class Left:
    """Something that nobody owns any more: a container, volume, folder, branch or reservation."""

    kind: str
    name: str


@dataclass(frozen=True)
class Evidence:
    """The whole state after a round."""

    issues: tuple[IssueSeen, ...] = ()
    runs: tuple[RunSeen, ...] = ()
    entries: tuple[EntrySeen, ...] = ()
    bill: tuple[BillSeen, ...] = ()
    chains: Mapping[str, tuple[LinkSeen, ...]] = field(default_factory=dict)
    left: tuple[Left, ...] = ()
    deaths: tuple[str, ...] = ()
    """What ended by itself: `paid up` never does, whatever happens to its parts."""
