"""Projects, their secrets, labels and policies."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from paid.models.columns import (
    big,
    identity,
    json_value,
    moment,
    one_of,
    reference,
    stamp,
    text_value,
)


class ProjectState(StrEnum):
    """A removed project keeps its row, because its runs and their money happened."""

    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class LabelPurpose(StrEnum):
    """What a label asks Paid to do."""

    BUILD = "build"
    PLAN = "plan"
    CANCEL = "cancel"


DEFAULT_LABELS = {
    LabelPurpose.BUILD: "paid-build",
    LabelPurpose.PLAN: "paid-plan",
    LabelPurpose.CANCEL: "paid-cancel",
}


COMMIT_NAME, COMMIT_EMAIL = "Paid", "noreply@paid.invalid"
"""Names under .invalid belong to nobody (RFC 2606), so no account of a forge gets the credit."""


class Credential(SQLModel, table=True):
    """A secret, encrypted with a key that is not in the database (paid.store.credentials)."""

    __tablename__ = "credential"
    __table_args__ = (
        CheckConstraint(one_of("kind", ["github_token", "webhook_secret"]), name="credential_kind"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    kind: str
    ciphertext: str
    created_at: datetime = Field(default=None, sa_column=stamp())
    rotated_at: datetime | None = Field(default=None, sa_column=moment())


class Project(SQLModel, table=True):
    """A GitHub repository that Paid watches."""

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint(one_of("state", list(ProjectState)), name="project_state"),
        CheckConstraint("interval_seconds BETWEEN 1 AND 86400", name="project_interval"),
        CheckConstraint(
            "owner ~ '^[A-Za-z0-9_.-]{1,100}$' AND name ~ '^[A-Za-z0-9_.-]{1,100}$'",
            name="project_full_name",
        ),
        CheckConstraint("credential_id IS NOT NULL OR state = 'removed'", name="project_token"),
        Index(
            "project_once",
            "api_url",
            text("lower(owner)"),
            text("lower(name)"),
            unique=True,
            postgresql_where=text("state <> 'removed'"),
        ),
    )

    id: int | None = Field(default=None, sa_column=identity())
    api_url: str
    owner: str
    name: str
    github_id: int = Field(sa_column=big())
    clone_url: str
    default_branch: str
    credential_id: int | None = Field(
        default=None, sa_column=reference("credential.id", nullable=True)
    )
    webhook_credential_id: int | None = Field(
        default=None, sa_column=reference("credential.id", nullable=True, index=False)
    )
    state: str = ProjectState.ACTIVE
    paused_reason: str = ""
    agent: str = "codex"
    model: str | None = None
    interval_seconds: int = 60
    time_zone: str = "UTC"
    created_at: datetime = Field(default=None, sa_column=stamp())
    token_expires_at: datetime | None = Field(default=None, sa_column=moment())
    """When GitHub will take the token no more, as it said last; None: never, or it did not say."""

    @property
    def full_name(self) -> str:
        """OWNER/REPO, as GitHub writes it."""
        return f"{self.owner}/{self.name}"


class Label(SQLModel, table=True):
    """The name of the label that has a purpose in one project."""

    __tablename__ = "label"
    __table_args__ = (
        CheckConstraint(one_of("purpose", list(LabelPurpose)), name="label_purpose"),
        CheckConstraint("length(name) BETWEEN 1 AND 50", name="label_name_length"),
        UniqueConstraint("project_id", "purpose", name="label_one_per_purpose"),
        UniqueConstraint("project_id", "name", name="label_one_purpose_each"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    project_id: int = Field(sa_column=reference("project.id"))
    purpose: str
    name: str


class Policy(SQLModel, table=True):
    """What runs of a project may do. Limits of money are budgets (paid.models.ledger)."""

    __tablename__ = "policy"
    __table_args__ = (
        UniqueConstraint("project_id", name="policy_one_per_project"),
        CheckConstraint("max_iterations BETWEEN 1 AND 100", name="policy_max_iterations"),
        CheckConstraint("max_tokens BETWEEN 1000 AND 1000000000", name="policy_max_tokens"),
        CheckConstraint("max_seconds BETWEEN 60 AND 604800", name="policy_max_seconds"),
        CheckConstraint("cpus > 0 AND memory_mib >= 128 AND pids >= 16", name="policy_container"),
    )

    id: int | None = Field(default=None, sa_column=identity())
    project_id: int = Field(sa_column=reference("project.id", index=False))
    checks: list[list[str]] = Field(default=[], sa_column=json_value("[]"))
    """Argument lists, run in order in a clean container; empty means that nothing is checked."""
    check_timeout_seconds: int = 900
    trusted_logins: list[str] = Field(default=[], sa_column=json_value("[]"))
    """Who may label without write permission."""
    allowed_models: list[str] = Field(default=[], sa_column=json_value("[]"))
    """Empty means every model that has a price."""
    fallback_models: list[str] = Field(default=[], sa_column=json_value("[]"))
    egress_hosts: list[str] | None = Field(default=None, sa_column=json_value("null"))
    """JSON null means the language registries; an empty list means none."""
    allow_workflow_changes: bool = False
    """Whether a change under .github/workflows may be pushed without a person."""
    max_iterations: int = 10
    max_tokens: int = Field(default=2_000_000, sa_column=big(default=2_000_000))
    max_seconds: int = 4 * 3600
    cpus: float = 2
    memory_mib: int = 4096
    pids: int = 512
    draft_pull_request: bool = True
    agent_command: list[str] = Field(default=[], sa_column=json_value("[]"))
    """The argument list of the agent `command`; other agents make their own."""
    warn_percents: list[int] = Field(default=[50, 80, 100], sa_column=json_value("[50, 80, 100]"))
    """At which percents of its limits, and those of its runs and issues, people are warned."""
    allowed_secrets: list[dict[str, str]] = Field(default=[], sa_column=json_value("[]"))
    """What may be published although it looks like a secret: a `path` (glob) or a `value` (SHA-256
    in hex), with the `reason` and who said so (`by`)."""
    commit_name: str = Field(default=COMMIT_NAME, sa_column=text_value(COMMIT_NAME))
    """Author and committer of what is published, whoever the agent says it is."""
    commit_email: str = Field(default=COMMIT_EMAIL, sa_column=text_value(COMMIT_EMAIL))
    raw_filters: list[str] = Field(default=[], sa_column=json_value("[]"))
    """Names of git filters whose files may be published as they are in the working tree."""
    idle_seconds: int = 1200
    """An agent that neither says anything nor uses a model for so long is ended."""
