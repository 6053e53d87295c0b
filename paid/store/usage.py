"""Daily figures of each project, added up from the ledger and the runs."""

from __future__ import annotations

from datetime import date

from sqlalchemy import text
from sqlmodel import Session, col, select

from paid.models import UsageDay

_ROLL_UP = text(
    """
    INSERT INTO usage_day (project_id, day, runs, completed_runs, requests, tokens,
                           amount_microdollars, updated_at)
    SELECT p.id, days.day, coalesce(r.runs, 0), coalesce(r.completed, 0),
           coalesce(e.requests, 0), coalesce(e.tokens, 0), coalesce(e.amount, 0), now()
    FROM project p
    CROSS JOIN LATERAL (
        SELECT (now() AT TIME ZONE p.time_zone)::date - back AS day
        FROM generate_series(0, :days - 1) AS back
    ) days
    LEFT JOIN LATERAL (
        SELECT count(*) AS runs, count(*) FILTER (WHERE status = 'completed') AS completed
        FROM run
        WHERE run.project_id = p.id
          AND run.created_at >= days.day::timestamp AT TIME ZONE p.time_zone
          AND run.created_at < (days.day + 1)::timestamp AT TIME ZONE p.time_zone
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT count(*) AS requests, sum(input_tokens + output_tokens) AS tokens,
               sum(amount_microdollars) AS amount
        FROM ledger_entry l WHERE l.project_id = p.id AND l.day = days.day
    ) e ON true
    WHERE coalesce(r.runs, 0) > 0 OR coalesce(e.requests, 0) > 0
    ON CONFLICT (project_id, day) DO UPDATE SET
        runs = excluded.runs, completed_runs = excluded.completed_runs,
        requests = excluded.requests, tokens = excluded.tokens,
        amount_microdollars = excluded.amount_microdollars, updated_at = excluded.updated_at
    """
)


def roll_up(session: Session, days: int = 3) -> int:
    """Add up the last `days` days of every project anew; returns how many rows were written."""
    return session.connection().execute(_ROLL_UP, {"days": days}).rowcount


def of_project(session: Session, project_id: int, since: date) -> list[UsageDay]:
    """A project's days from `since` on, oldest first; days without anything are missing."""
    question = select(UsageDay).where(UsageDay.project_id == project_id, UsageDay.day >= since)
    return list(session.exec(question.order_by(col(UsageDay.day))))
