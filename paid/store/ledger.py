"""What was spent: for pages, for estimates, and for export. Writing is the gateway's business."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import bindparam, text
from sqlmodel import Session, col, select

from paid.errors import BadInputError
from paid.models import LedgerEntry

Scope = Literal["run", "issue", "project", "organisation"]


@dataclass(frozen=True)
class Spent:
    """One period of one scope. `limit_microdollars` of None means no cap, `ends_at` of None that
    the period never ends."""

    spent_microdollars: int
    reserved_microdollars: int
    limit_microdollars: int | None
    ends_at: datetime | None


@dataclass(frozen=True)
class RunCost:
    """What a run has cost so far, and what its open requests may cost at most on top."""

    spent_microdollars: int = 0
    reserved_microdollars: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a run of a project is likely to cost, from `runs` that ended; None without any."""

    runs: int
    p50_microdollars: int | None
    p90_microdollars: int | None


_SPENT = text(
    """
    WITH place AS (
        SELECT :scope AS scope, CAST(:id AS bigint) AS scope_id, 'total' AS period,
               date '1970-01-01' AS starts_on, NULL::timestamptz AS ends_at
        WHERE :scope IN ('run', 'issue')
        UNION ALL
        SELECT :scope, CAST(:id AS bigint), s.period,
               date_trunc(s.period, now() AT TIME ZONE z.zone)::date,
               (date_trunc(s.period, now() AT TIME ZONE z.zone) + s.length) AT TIME ZONE z.zone
        FROM (SELECT time_zone AS zone FROM project WHERE :scope = 'project' AND id = :id
              UNION ALL
              SELECT time_zone FROM organisation WHERE :scope = 'organisation' AND id = :id) z
        CROSS JOIN (VALUES ('day', interval '1 day'), ('week', '1 week'), ('month', '1 month'))
            AS s(period, length)
    )
    SELECT w.period, coalesce(a.spent_microdollars, 0) AS spent,
           coalesce(a.reserved_microdollars, 0) AS reserved, w.ends_at,
           ledger_cap(w.scope, w.scope_id, w.period, (
               SELECT project_id FROM run WHERE :scope = 'run' AND id = :id
               UNION ALL SELECT project_id FROM issue WHERE :scope = 'issue' AND id = :id), now()
           ) AS cap
    FROM place w LEFT JOIN ledger_account a USING (scope, scope_id, period, starts_on)
    """
)


def spent(session: Session, scope: Scope, scope_id: int) -> dict[str, Spent]:
    """By period: `total` for a run or an issue; the present `day`, `week` and `month` otherwise."""
    rows = session.connection().execute(_SPENT, {"scope": scope, "id": scope_id})
    return {row.period: Spent(row.spent, row.reserved, row.cap, row.ends_at) for row in rows}


_RUN_COSTS = text(
    """
    SELECT r.id, coalesce(a.spent_microdollars, 0) AS spent,
           coalesce(a.reserved_microdollars, 0) AS reserved,
           coalesce(sum(e.input_tokens), 0)::bigint AS input_tokens,
           coalesce(sum(e.output_tokens), 0)::bigint AS output_tokens, count(e.id) AS requests
    FROM run r
    LEFT JOIN ledger_account a
        ON a.scope = 'run' AND a.scope_id = r.id AND a.period = 'total'
        AND a.starts_on = date '1970-01-01'
    LEFT JOIN ledger_entry e ON e.run_id = r.id
    WHERE r.id IN :ids
    GROUP BY r.id, a.spent_microdollars, a.reserved_microdollars
    """
).bindparams(bindparam("ids", expanding=True))


def run_costs(session: Session, run_ids: Iterable[int]) -> dict[int, RunCost]:
    """The cost of each of these runs; one that does not exist is missing."""
    rows = session.connection().execute(_RUN_COSTS, {"ids": list(run_ids)})
    return {
        row.id: RunCost(row.spent, row.reserved, row.input_tokens, row.output_tokens, row.requests)
        for row in rows
    }


def run_cost(session: Session, run_id: int) -> RunCost:
    """The cost of one run; zero when it spent nothing."""
    return run_costs(session, [run_id]).get(run_id, RunCost())


def entries(session: Session, run_id: int) -> list[LedgerEntry]:
    """A run's model requests, oldest first."""
    question = select(LedgerEntry).where(LedgerEntry.run_id == run_id)
    return list(session.exec(question.order_by(col(LedgerEntry.id))))


_ESTIMATE = text(
    """
    SELECT count(*) AS runs,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY cost) AS p50,
           percentile_disc(0.9) WITHIN GROUP (ORDER BY cost) AS p90
    FROM (
        SELECT sum(e.amount_microdollars)::bigint AS cost
        FROM run r JOIN ledger_entry e ON e.run_id = r.id
        WHERE r.project_id = :project AND r.ended_at IS NOT NULL
          AND r.status IN ('completed', 'no_changes', 'failed', 'budget_exceeded')
        GROUP BY r.id ORDER BY r.id DESC LIMIT 200
    ) latest
    """
)


def estimate(session: Session, project_id: int) -> Estimate:
    """What the next run will likely cost, from the last 200 that ended and were not cancelled."""
    row = session.connection().execute(_ESTIMATE, {"project": project_id}).one()
    return Estimate(row.runs, row.p50, row.p90)


_GROUPS = {
    "run": "e.run_id",
    "issue": "i.number",
    "project": "p.owner || '/' || p.name",
    "model": "e.model",
    "agent": "e.agent",
    "day": "e.day",
}
_SUMS = """
    count(*) AS requests, sum(e.input_tokens)::bigint AS input_tokens,
    sum(e.cache_read_tokens)::bigint AS cache_read_tokens,
    sum(e.cache_write_tokens)::bigint AS cache_write_tokens,
    sum(e.output_tokens)::bigint AS output_tokens,
    sum(e.reasoning_tokens)::bigint AS reasoning_tokens,
    sum(e.amount_microdollars)::bigint AS amount_microdollars
"""


def export(
    session: Session, by: str, *, project_id: int | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Sums by run, issue, project, model, agent or day, as rows for a table.

    Rows by run and by issue name their project too, because an issue's number alone says little.
    """
    if by not in _GROUPS:
        raise BadInputError(f"Cannot export by {by}.", hint=f"Choose one of {', '.join(_GROUPS)}.")
    groups = {by: _GROUPS[by]}
    if by in ("run", "issue"):
        groups = {"project": _GROUPS["project"], "issue": _GROUPS["issue"]} | groups
    named = ", ".join(f"{expression} AS {name}" for name, expression in groups.items())
    question = (
        f"SELECT {named}, {_SUMS} FROM ledger_entry e"  # noqa: S608 - from the table above
        " JOIN project p ON p.id = e.project_id JOIN issue i ON i.id = e.issue_id"
        " WHERE (CAST(:project AS bigint) IS NULL OR e.project_id = :project)"
        " AND (CAST(:since AS timestamptz) IS NULL OR e.at >= :since)"
        f" GROUP BY {', '.join(groups.values())} ORDER BY {', '.join(groups.values())}"
    )
    rows = session.connection().execute(text(question), {"project": project_id, "since": since})
    return [dict(row) for row in rows.mappings()]


def as_csv(rows: list[dict[str, Any]]) -> str:
    """Rows with a header; a cell that a spreadsheet would take for a formula gets a quote mark."""
    if not rows:
        return ""
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    return file.getvalue()


def as_json(rows: list[dict[str, Any]]) -> str:
    """A JSON list of objects; days as YYYY-MM-DD."""
    return json.dumps(rows, default=str, indent=2)


def _harmless(value: object) -> object:
    risky = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if risky else value
