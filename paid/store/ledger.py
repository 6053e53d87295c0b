"""What was spent, for pages. Writing is the gateway's business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import bindparam, text
from sqlmodel import Session, col, select

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
    estimated_microdollars: int = 0
    """How much of what is spent is an upper bound."""


@dataclass(frozen=True)
class RunCost:
    """What a run has cost so far, and what its open requests may cost at most on top."""

    spent_microdollars: int = 0
    reserved_microdollars: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    requests: int = 0
    estimated_microdollars: int = 0
    """How much of what is spent is an upper bound, because the vendor did not count it."""


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
           coalesce(a.estimated_microdollars, 0) AS estimated,
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
    return {
        row.period: Spent(row.spent, row.reserved, row.cap, row.ends_at, row.estimated)
        for row in rows
    }


_RUN_COSTS = text(
    """
    SELECT r.id, coalesce(a.spent_microdollars, 0) AS spent,
           coalesce(a.reserved_microdollars, 0) AS reserved,
           coalesce(a.estimated_microdollars, 0) AS estimated,
           coalesce(sum(e.input_tokens), 0)::bigint AS input_tokens,
           coalesce(sum(e.output_tokens), 0)::bigint AS output_tokens, count(e.id) AS requests
    FROM run r
    LEFT JOIN ledger_account a
        ON a.scope = 'run' AND a.scope_id = r.id AND a.period = 'total'
        AND a.starts_on = date '1970-01-01'
    LEFT JOIN ledger_entry e ON e.run_id = r.id
    WHERE r.id IN :ids
    GROUP BY r.id, a.spent_microdollars, a.reserved_microdollars, a.estimated_microdollars
    """
).bindparams(bindparam("ids", expanding=True))


def run_costs(session: Session, run_ids: Iterable[int]) -> dict[int, RunCost]:
    """The cost of each of these runs; one that does not exist is missing."""
    rows = session.connection().execute(_RUN_COSTS, {"ids": list(run_ids)})
    return {
        row.id: RunCost(
            row.spent,
            row.reserved,
            row.input_tokens,
            row.output_tokens,
            row.requests,
            row.estimated,
        )
        for row in rows
    }


def run_cost(session: Session, run_id: int) -> RunCost:
    """The cost of one run; zero when it spent nothing."""
    return run_costs(session, [run_id]).get(run_id, RunCost())


def entries(session: Session, run_id: int) -> list[LedgerEntry]:
    """A run's model requests, oldest first."""
    question = select(LedgerEntry).where(LedgerEntry.run_id == run_id)
    return list(session.exec(question.order_by(col(LedgerEntry.id))))
