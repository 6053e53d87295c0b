"""Runs, their steps, and what the steps said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from paid.contracts import ENDED, RunStatus
from paid.models.columns import (
    big,
    identity,
    json_value,
    moment,
    one_of,
    reference,
    stamp,
    yes_or_no,
)

_ENDS = sorted(ENDED)
_ONLY_ENDS = sorted(ENDED - {RunStatus.BUDGET_EXCEEDED})


class Run(SQLModel, table=True):
    """One attempt to turn an issue into a pull request."""

    __tablename__ = "run"
    __table_args__ = (
        CheckConstraint(one_of("status", list(RunStatus)), name="run_status"),
        CheckConstraint(one_of("purpose", ["build", "plan"]), name="run_purpose"),
        CheckConstraint(
            # budget_exceeded is a durable pause first, and an end when nobody raises the budget.
            f"CASE WHEN ended_at IS NULL THEN NOT ({one_of('status', _ONLY_ENDS)})"
            f" ELSE {one_of('status', _ENDS)} END",
            name="run_ended_with_time",
        ),
        CheckConstraint("(pr_number IS NULL) = (pr_url IS NULL)", name="run_pr_together"),
        CheckConstraint(
            "status <> 'completed' OR purpose <> 'build' OR pr_number IS NOT NULL",
            name="run_completed_has_pr",
        ),
        UniqueConstraint("issue_id", "generation", name="run_once_per_label"),
        Index(
            "run_one_live_per_issue",
            "issue_id",
            unique=True,
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("run_by_project_and_time", "project_id", "created_at"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    project_id: int = Field(sa_column=reference("project.id", index=False))
    issue_id: int = Field(sa_column=reference("issue.id"))
    generation: int
    workflow_id: str = Field(unique=True)
    purpose: str = "build"
    status: str = RunStatus.QUEUED
    requested_by: str
    agent: str
    model: str | None = None
    host: str | None = None
    branch: str | None = None
    base_sha: str | None = None
    head_sha: str | None = None
    agent_session: str | None = None
    """The agent's own name for its conversation, so that a later turn continues it."""
    released_secrets: list[str] = Field(default=[], sa_column=json_value("[]"))
    """SHA-256 in hex of values that a person lets this run publish, though they look secret."""
    publishes_only: bool = Field(default=False, sa_column=yes_or_no())
    """Whether the run was opened again to publish the work that was kept of it, and no more."""
    iterations: int = 0
    tokens_used: int = Field(default=0, sa_column=big(default=0))
    pr_number: int | None = None
    pr_url: str | None = None
    error_code: str = ""
    """Why the run ended, or what a live one waits for (paid.store.waits)."""
    error_message: str = ""
    cancel_requested_at: datetime | None = Field(default=None, sa_column=moment())
    cancel_requested_by: str | None = None
    cancel_reason: str = ""
    created_at: datetime = Field(default=None, sa_column=stamp())
    started_at: datetime | None = Field(default=None, sa_column=moment())
    ended_at: datetime | None = Field(default=None, sa_column=moment())

    @property
    def ended(self) -> bool:
        """Whether the run has come to one of its ends."""
        return self.ended_at is not None

    @property
    def waits(self) -> bool:
        """Whether a live run cannot go on yet; the error's code and message say why."""
        return not self.ended and bool(self.error_code)


class Step(SQLModel, table=True):
    """One container of a run."""

    __tablename__ = "step"
    __table_args__ = (
        CheckConstraint(
            one_of("kind", ["base", "agent", "collect", "verify", "review", "export"]),
            name="step_kind",
        ),
        CheckConstraint(
            one_of("state", ["running", "succeeded", "failed", "stopped"]), name="step_state"
        ),
        UniqueConstraint("run_id", "kind", "number", name="step_once"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    run_id: int = Field(sa_column=reference("run.id", index=False))
    kind: str
    number: int
    container: str
    state: str = "running"
    attempt: int = 1
    """Fences off a writer that was taken for dead: only the latest attempt may write."""
    log_cursor: str = ""
    """Up to where the container's log is stored; a further attempt goes on from here."""
    exit_code: int | None = None
    report: dict[str, Any] = Field(default={}, sa_column=json_value("{}"))
    started_at: datetime = Field(default=None, sa_column=stamp())
    ended_at: datetime | None = Field(default=None, sa_column=moment())


class Output(SQLModel, table=True):
    """A batch of a step's output lines: one row a batch, because lines come by the thousand."""

    __tablename__ = "output"
    __table_args__ = (UniqueConstraint("step_id", "number", name="output_once"),)

    id: int | None = Field(default=None, sa_column=identity())
    run_id: int = Field(sa_column=reference("run.id"))
    step_id: int = Field(sa_column=reference("step.id", index=False))
    number: int
    text: str
    at: datetime = Field(default=None, sa_column=stamp())


class Feedback(SQLModel, table=True):
    """What goes back to the agent: failing checks, findings, a person's words."""

    __tablename__ = "feedback"

    id: int | None = Field(default=None, sa_column=identity())
    run_id: int = Field(sa_column=reference("run.id"))
    iteration: int
    kind: str = "checks"
    text: str
    created_at: datetime = Field(default=None, sa_column=stamp())
