"""The table at the end: what fell, what came of it, and how soon runs went on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from paid.chaos.judge import WRONGS, Finding
from paid.chaos.pauses import Pause, figures
from paid.chaos.round import Outcome

TITLES = {
    "lost": "runs lost",
    "doubled": "doubled",
    "stuck": "stuck",
    "orphaned": "orphaned",
    "ledger": "ledger differences",
    "lines": "output lines lost",
    "chain": "event chains broken",
}
PAUSES = ("seconds to the first run's progress", "seconds to each run's progress")
DESTROYED = "runs whose container a blow destroyed"
AIMS = {"median": 5.0, "worst": 15.0}
"""Seconds from a blow to the next progress of a run (issue 11)."""


def facts(outcome: Outcome, findings: Sequence[Finding], seed: int) -> dict[str, Any]:
    """Everything in the table, for programs."""
    evidence = outcome.evidence
    wrongs = Counter(found.wrong for found in findings)
    beyond = [entry.amount for entry in evidence.entries if entry.basis != "vendor"]
    return {
        "seed": seed,
        "blows": sum(outcome.struck.values()),
        "blows by kind": outcome.struck,
        "aims missed": outcome.missed_aims,
        "blows on nothing": outcome.fell_on_nothing,
        "minutes": round(outcome.seconds / 60, 1),
        "issues labelled": len(evidence.issues),
        "runs": len(evidence.runs),
        "ends": dict(Counter(run.status for run in evidence.runs)),
        DESTROYED: sum(bool(run.destroyed) for run in evidence.runs),
        **{TITLES[wrong]: wrongs[wrong] for wrong in WRONGS},
        "ledger entries": dict(Counter(entry.basis for entry in evidence.entries)),
        "charged without the vendor's count, micro-dollars": sum(beyond),
        "vendor's bill, micro-dollars": sum(line.amount for line in evidence.bill),
        PAUSES[0]: figures(outcome.pauses.first),
        PAUSES[1]: figures(outcome.pauses.each),
        "longest pauses": [_told(pause) for pause in outcome.pauses.longest],
        "calls to Docker": outcome.calls,
    }


def markdown(told: dict[str, Any]) -> str:
    """The same as a table for people; docs/robustness.md takes it as it is."""
    rows = [
        f"| blows (seed {told['seed']}) | {told['blows']} in {told['minutes']} minutes |",
        *(f"| · {kind} | {count} |" for kind, count in told["blows by kind"].items()),
        f"| aims missed · blows on nothing | {told['aims missed']} · {told['blows on nothing']} |",
        f"| issues labelled · runs | {told['issues labelled']} · {told['runs']} |",
        *(f"| · ended {status} | {count} |" for status, count in told["ends"].items()),
        f"| · {DESTROYED} | {told[DESTROYED]} |",
        *(f"| **{title}** | **{told[title]}** |" for title in TITLES.values()),
        *(f"| {title} | {_seconds(told[title])} |" for title in PAUSES),
    ]
    return "\n".join(["| | |", "|---|---|", *rows])


def _told(pause: Pause) -> str:
    """One long pause, with the time of day at which the blow fell, as logs have it."""
    at = datetime.fromtimestamp(pause.blow.at, UTC)
    seconds = ", ".join(f"{seconds:.1f}" for seconds in pause.seconds)
    return f"{at:%H:%M:%S} {pause.blow.kind}: {seconds} s"


def _seconds(found: dict[str, float]) -> str:
    if not found:
        return "no run was hit"
    said = [f"{name} {value:.1f}" for name, value in found.items()]
    missed = [name for name, aim in AIMS.items() if found[name] > aim]
    return ", ".join(said) + (f" (aim missed: {', '.join(missed)})" if missed else "")


def as_json(told: dict[str, Any], findings: Sequence[Finding]) -> str:
    """One JSON object."""
    return json.dumps({**told, "findings": [str(found) for found in findings]}, indent=1)
