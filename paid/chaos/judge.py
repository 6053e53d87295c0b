"""The judge: from what is left after a round to what is wrong with it.

It is pure, and is itself tried by tampering with what it sees (tests/chaos/test_judge.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from paid.chaos.evidence import (
    BillSeen,
    EntrySeen,
    Evidence,
    IssueSeen,
    LinkSeen,
    RunSeen,
    StepSeen,
)

Wrong = Literal["lost", "doubled", "stuck", "orphaned", "ledger", "lines", "chain"]
WRONGS: tuple[Wrong, ...] = ("lost", "doubled", "stuck", "orphaned", "ledger", "lines", "chain")
ONCE_A_RUN = ("run.requested", "run.ended", "run.pull_request", "run.workspace")
ONCE_A_TURN = ("agent.started",)
LINE = re.compile(r"^\S+ line (\d+)$")
LAST_LINE = re.compile(r"^\S+ said (\d+) lines$")
EXPLAINS = re.compile(r"container|killed|removed", re.IGNORECASE)
"""In the reason of a run whose container was destroyed, one of these words must stand."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its kind, whose it is, and what was seen."""

    wrong: Wrong
    subject: str
    seen: str

    def __str__(self) -> str:
        return f"{self.wrong}: {self.subject}: {self.seen}"


def judge(evidence: Evidence) -> list[Finding]:
    """Everything that is wrong."""
    counted = {issue.name for issue in evidence.issues if issue.counts_lines}
    return [
        *(found for issue in evidence.issues for found in _of_issue(issue, evidence)),
        *(found for run in evidence.runs for found in _of_run(run, run.issue in counted)),
        *_of_ledger(evidence),
        *(found for name, links in evidence.chains.items() for found in of_chain(name, links)),
        *(Finding("orphaned", left.name, left.kind) for left in evidence.left),
        *(Finding("lost", name, "ended by itself") for name in evidence.deaths),
    ]


def _of_issue(issue: IssueSeen, evidence: Evidence) -> Iterator[Finding]:
    runs = [run for run in evidence.runs if run.issue == issue.name]
    if len(runs) < issue.labels_set:
        yield Finding("lost", issue.name, f"{issue.labels_set} labels, {len(runs)} runs")
    if len(runs) > issue.labels_set:
        yield Finding("doubled", issue.name, f"{issue.labels_set} labels, {len(runs)} runs")
    completed = sum(run.status == "completed" for run in runs)
    made: tuple[tuple[str, int, Wrong], ...] = (
        ("pull requests", issue.pulls, "doubled"),
        ("branches", issue.branches, "orphaned"),
    )
    for kind, count, too_many in made:
        if count != completed:
            wrong = "lost" if count < completed else too_many
            yield Finding(wrong, issue.name, f"{count} {kind} of {completed} completed runs")
    if issue.comments > len(runs):
        yield Finding("doubled", issue.name, f"{issue.comments} comments on {len(runs)} runs")


def _of_run(run: RunSeen, counts_lines: bool) -> Iterator[Finding]:
    name = f"run {run.id} ({run.issue})"
    if not run.ended:
        yield Finding("stuck", name, f"still {run.status}; {run.code} {run.message}".strip())
        return
    if run.workflow_open:
        yield Finding("stuck", name, "its workflow goes on although the run has ended")
    if run.status != "completed" and not _explained(run):
        yield Finding("lost", name, f"{run.status}: {run.code}: {run.message}")
    if run.status == "completed" and not run.has_pull:
        yield Finding("lost", name, "completed without a pull request")
    for kind in ONCE_A_RUN:
        if run.events.get(kind, 0) > 1:
            yield Finding("doubled", name, f"{run.events[kind]} times {kind}")
    turns = sum(step.kind == "agent" for step in run.steps)
    for kind in ONCE_A_TURN:
        if run.events.get(kind, 0) > turns:
            yield Finding("doubled", name, f"{run.events[kind]} times {kind} in {turns} turns")
    for step in run.steps:
        if step.state == "running":
            yield Finding("stuck", f"{name}, {step.kind} {step.number}", "still running")
        if step.kind == "agent" and counts_lines:
            yield from _of_lines(f"{name}, turn {step.number}", step, run)


def _explained(run: RunSeen) -> bool:
    """A run whose container a blow destroyed may fail, with that reason."""
    return bool(run.destroyed) and bool(EXPLAINS.search(f"{run.code} {run.message}"))


def _of_lines(place: str, step: StepSeen, run: RunSeen) -> Iterator[Finding]:
    """The agent's numbered lines: each of them once and in order, and in a completed run the last.

    Of one whose container was destroyed, those that stand there have no gap before them.
    """
    numbers = [int(found[1]) for line in step.lines if (found := LINE.match(line))]
    said = [int(found[1]) for line in step.lines if (found := LAST_LINE.match(line))]
    if run.status == "completed" and not said:
        yield Finding("lines", place, f"the last line is missing, {len(numbers)} are there")
    expected = list(range(1, (said[0] if said else len(numbers)) + 1))
    if numbers == expected:
        return
    missing = sorted(set(expected) - set(numbers))
    if missing:
        yield Finding("lines", place, f"missing: {missing[:20]}")
    twice = [number for number, times in Counter(numbers).items() if times > 1]
    if twice:
        yield Finding("doubled", place, f"lines that stand twice: {twice[:20]}")
    if not missing and not twice:
        yield Finding("lines", place, "lines out of order, or after the last one")


def _of_ledger(evidence: Evidence) -> Iterator[Finding]:
    marks = {issue.name: issue.mark for issue in evidence.issues}
    for run in evidence.runs:
        entries = [entry for entry in evidence.entries if entry.run_id == run.id]
        total = sum(entry.amount for entry in entries)
        if run.spent != total:
            yield Finding("ledger", f"run {run.id}", f"account {run.spent}, entries {total}")
        if run.ended and run.reserved:
            yield Finding("ledger", f"run {run.id}", f"{run.reserved} reserved after its end")
    for mark in sorted({*marks.values(), *(line.mark for line in evidence.bill)}):
        ids = {run.id for run in evidence.runs if marks.get(run.issue) == mark}
        entries = [entry for entry in evidence.entries if entry.run_id in ids]
        bill = [line for line in evidence.bill if line.mark == mark]
        yield from _compared(mark or "requests without a mark", entries, bill)


def _compared(
    name: str, entries: Sequence[EntrySeen], bill: Sequence[BillSeen]
) -> Iterator[Finding]:
    """Each entry of the vendor's count is a line of the bill, and what is left of the bill is
    covered by entries that count rather too much."""
    open_lines = sorted(bill, key=lambda line: line.amount)
    for entry in entries:
        if entry.basis != "vendor":
            continue
        line = next((line for line in open_lines if line.complete and _same(entry, line)), None)
        if line is None:
            yield Finding("ledger", name, f"the vendor has no request of {entry}")
        else:
            open_lines.remove(line)
    guesses = sorted(entry.amount for entry in entries if entry.basis != "vendor")
    for line in reversed(open_lines):  # the dearest first, against the dearest guess
        guess = guesses.pop() if guesses else None
        if guess is None or guess < line.amount:
            yield Finding("ledger", name, f"charged {guess} for {line}")


def _same(entry: EntrySeen, line: BillSeen) -> bool:
    ours = (entry.amount, entry.input_tokens, entry.output_tokens)
    return ours == (line.amount, line.input_tokens, line.output_tokens)


def of_chain(name: str, links: Sequence[LinkSeen]) -> Iterator[Finding]:
    before = b""
    for place, link in enumerate(links, start=1):
        whole = link.seq == place and link.prev_hash == before and link.hash == link.digest
        if not whole:
            yield Finding("chain", name, f"broken at event {link.seq}, place {place}")
            return
        before = link.hash
