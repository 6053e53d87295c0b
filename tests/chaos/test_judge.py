"""The judge is tried by tampering: each thing that may be wrong is put in, and must be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paid.chaos.evidence import (
    BillSeen,
    EntrySeen,
    Evidence,
    IssueSeen,
    Left,
    LinkSeen,
    RunSeen,
    StepSeen,
)
from paid.chaos.judge import WRONGS, judge

ISSUE = IssueSeen("chaos/work-1#1", "m1-1", labels_set=1, pulls=1, branches=1, comments=1)
LINES = ("m1-1 line 1", "m1-1 ask 0 after 0.1 s: timed out", "m1-1 line 2", "m1-1 said 2 lines")
AGENT, VERIFY = StepSeen("agent", 1, "succeeded", LINES), StepSeen("verify", 1, "succeeded")
EVENTS = {"run.requested": 1, "run.ended": 1, "run.pull_request": 1, "agent.started": 1}
RUN = RunSeen(
    7, ISSUE.name, "completed", True,
    has_pull=True, steps=(AGENT, VERIFY), events=EVENTS, spent=350,
)  # fmt: skip
ENTRIES = (EntrySeen(7, "vendor", 100, 40, 8), EntrySeen(7, "expired", 250))
BILL = (BillSeen("m1-1", 100, 40, 8), BillSeen("m1-1", 90, 41, 3, complete=False))
CHAIN = (LinkSeen(1, b"", b"a", b"a"), LinkSeen(2, b"a", b"b", b"b"), LinkSeen(3, b"b", b"c", b"c"))
SOUND = Evidence((ISSUE,), (RUN,), ENTRIES, BILL, {"run:7": CHAIN, "system": CHAIN})
OTHER_RUN = replace(RUN, id=8, spent=0)

Tamper = Callable[[Evidence], Evidence]


def issue(**changes: object) -> Tamper:
    """Change what is seen of the issue."""
    return lambda it: replace(it, issues=(replace(it.issues[0], **changes),))  # type: ignore[arg-type]


def run(**changes: object) -> Tamper:
    """Change what is seen of the run."""
    return lambda it: replace(it, runs=(replace(it.runs[0], **changes),))  # type: ignore[arg-type]


def step(**changes: object) -> Tamper:
    """Change what is seen of the agent's step."""
    return run(steps=(replace(AGENT, **changes), VERIFY))  # type: ignore[arg-type]


def chain(*links: LinkSeen) -> Tamper:
    """Put other events in the run's chain."""
    return lambda it: replace(it, chains={"run:7": links})


def ledger(*entries: EntrySeen) -> Tamper:
    """Put other entries in the ledger, with an account that agrees with them."""
    return lambda it: replace(
        it,
        entries=entries,
        runs=(replace(it.runs[0], spent=sum(entry.amount for entry in entries)),),
    )


TAMPERED: dict[str, tuple[str, Tamper]] = {
    "a run is missing": ("lost", lambda it: replace(it, runs=())),
    "a pull request is missing": ("lost", issue(pulls=0)),
    "the branch of a pull request is missing": ("lost", issue(branches=0)),
    "a completed run has no pull request": ("lost", run(has_pull=False)),
    "a run failed": ("lost", run(status="failed", code="container", message="No reason.")),
    "a run was cancelled by nobody": ("lost", run(status="cancelled")),
    "a run froze for its budget and ended": ("lost", run(status="budget_exceeded")),
    "a run did nothing": ("lost", run(status="no_changes")),
    "a destroyed container is not explained": (
        "lost",
        run(status="failed", destroyed=("paid-run-7-agent-1",), message="429 Too Many Requests"),
    ),
    "a run failed for a container that nobody destroyed": (
        "lost",
        run(status="failed", code="container_lost", message="The container was removed."),
    ),
    "paid up ended": ("lost", lambda it: replace(it, deaths=("paid up",))),
    "two runs for one label": ("doubled", lambda it: replace(it, runs=(RUN, OTHER_RUN))),
    "two pull requests": ("doubled", issue(pulls=2)),
    "two comments": ("doubled", issue(comments=2)),
    "a run ended twice": ("doubled", run(events={**EVENTS, "run.ended": 2})),
    "an agent was started twice in a turn": ("doubled", run(events={**EVENTS, "agent.started": 2})),
    "a line stands twice": ("doubled", step(lines=(*LINES[:3], "m1-1 line 2", LINES[3]))),
    "a run goes on": ("stuck", run(ended=False, status="running")),
    "a run waits for money": ("stuck", run(ended=False, status="budget_exceeded")),
    "a workflow goes on": ("stuck", run(workflow_open=True)),
    "a step is still running": ("stuck", step(state="running")),
    "a container is left": ("orphaned", lambda it: replace(it, left=(Left("container", "c"),))),
    "a volume is left": ("orphaned", lambda it: replace(it, left=(Left("volume", "v"),))),
    "a folder is left": ("orphaned", lambda it: replace(it, left=(Left("folder", "runs/7"),))),
    "a reservation is open": (
        "orphaned",
        lambda it: replace(it, left=(Left("open reservation", "run 7, 5"),)),
    ),
    "a branch without a pull request is left": ("orphaned", issue(branches=2)),
    "an entry has another amount than the bill": (
        "ledger",
        ledger(EntrySeen(7, "vendor", 101, 40, 8), ENTRIES[1]),
    ),
    "an entry has other tokens than the bill": (
        "ledger",
        ledger(EntrySeen(7, "vendor", 100, 41, 8), ENTRIES[1]),
    ),
    "a request was charged twice": ("ledger", ledger(ENTRIES[0], *ENTRIES)),
    "a request was not charged": ("ledger", ledger(ENTRIES[0])),
    "too little is guessed for a cut answer": (
        "ledger",
        ledger(ENTRIES[0], EntrySeen(7, "partial", 89)),
    ),
    "a cut answer is taken for the vendor's count": (
        "ledger",
        ledger(*ENTRIES, EntrySeen(7, "vendor", 90, 41, 3)),
    ),
    "the account differs from its entries": ("ledger", run(spent=351)),
    "money is reserved for an ended run": ("ledger", run(reserved=5)),
    "somebody was billed whom nobody charged": (
        "ledger",
        lambda it: replace(it, bill=(*BILL, BillSeen("", 3))),
    ),
    "a line in the middle is missing": ("lines", step(lines=("m1-1 line 1", "m1-1 said 2 lines"))),
    "all lines of a turn are missing": ("lines", step(lines=())),
    "the first line is missing": ("lines", step(lines=LINES[1:])),
    "the last line is missing": ("lines", step(lines=LINES[:-1])),
    "lines are in another order": ("lines", step(lines=(LINES[2], LINES[0], LINES[3]))),
    "an event was removed": ("chain", chain(CHAIN[0], CHAIN[2])),
    "the last event's place was taken": ("chain", chain(*CHAIN[:2], replace(CHAIN[2], seq=4))),
    "an event was altered": ("chain", chain(CHAIN[0], replace(CHAIN[1], digest=b"x"), CHAIN[2])),
    "an event was altered with its hash": (
        "chain",
        chain(CHAIN[0], LinkSeen(2, b"a", b"x", b"x"), CHAIN[2]),
    ),
}


def test_the_judge_finds_nothing_where_nothing_is_wrong() -> None:
    assert judge(SOUND) == []


@pytest.mark.parametrize("name", TAMPERED)
def test_the_judge_finds_what_was_tampered_with(name: str) -> None:
    wrong, tamper = TAMPERED[name]
    found = judge(tamper(SOUND))
    assert wrong in {it.wrong for it in found}, found


def test_every_kind_of_finding_is_tried() -> None:
    assert {wrong for wrong, _ in TAMPERED.values()} == set(WRONGS)


def test_a_run_may_fail_for_a_container_that_a_blow_destroyed() -> None:
    lines = step(lines=LINES[:1])(SOUND).runs[0]
    failed = replace(
        lines, status="failed", has_pull=False, destroyed=("paid-run-7-agent-1",),
        code="container_lost", message="The agent's container was removed while it worked.",
    )  # fmt: skip
    seen = replace(SOUND, issues=(replace(ISSUE, pulls=0, branches=0),), runs=(failed,))
    assert judge(seen) == []


def test_an_agent_without_numbered_lines_is_not_asked_for_them() -> None:
    seen = step(lines=('{"type": "item.completed"}',))(SOUND)
    assert judge(issue(counts_lines=False)(seen)) == []
    assert judge(seen)
