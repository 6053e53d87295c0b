"""The core tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

CHAIN_UP = [
    # Numbers the row within its chain and chains it to the row before. The advisory lock makes
    # writers of one chain queue up; writers of different chains do not meet.
    """
    CREATE FUNCTION event_digest(
        prev bytea, chain text, seq integer, kind text, at timestamptz, data jsonb
    ) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
        SELECT sha256(prev || convert_to(
            chain || '|' || seq || '|' || kind || '|'
            || (extract(epoch FROM at) * 1000000)::bigint || '|' || data::text, 'UTF8'))
    $$
    """,
    """
    CREATE FUNCTION event_chain() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE last record;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtextextended(NEW.chain, 7));
        SELECT e.seq, e.hash INTO last FROM event e
            WHERE e.chain = NEW.chain ORDER BY e.seq DESC LIMIT 1;
        NEW.seq := coalesce(last.seq, 0) + 1;
        NEW.prev_hash := coalesce(last.hash, ''::bytea);
        NEW.hash := event_digest(
            NEW.prev_hash, NEW.chain, NEW.seq, NEW.kind, NEW.at, NEW.data);
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER event_chain BEFORE INSERT ON event
        FOR EACH ROW EXECUTE FUNCTION event_chain()
    """,
    """
    CREATE FUNCTION event_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'events are only ever added' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
        FOR EACH STATEMENT EXECUTE FUNCTION event_refuse()
    """,
    # One NOTIFY a statement, however many rows: listeners read the rows, never the payload.
    """
    CREATE FUNCTION event_tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('paid_events', coalesce(max(id), 0)::text) FROM added;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER event_tell AFTER INSERT ON event REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION event_tell()
    """,
    """
    CREATE FUNCTION output_tell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('paid_output', run_id::text) FROM (SELECT DISTINCT run_id FROM added) r;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER output_tell AFTER INSERT ON output REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION output_tell()
    """,
]
CHAIN_DOWN = [
    "DROP TRIGGER output_tell ON output",
    "DROP FUNCTION output_tell()",
    "DROP TRIGGER event_tell ON event",
    "DROP FUNCTION event_tell()",
    "DROP TRIGGER event_append_only ON event",
    "DROP FUNCTION event_refuse()",
    "DROP TRIGGER event_chain ON event",
    "DROP FUNCTION event_chain()",
    "DROP FUNCTION event_digest(bytea, text, integer, text, timestamptz, jsonb)",
]


def upgrade() -> None:
    op.create_table(
        "credential",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ciphertext", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('github_token', 'webhook_secret')", name="credential_kind"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "login_link",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "arguments",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="{}",
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("outbox_key", "outbox", ["key"], unique=True)
    op.create_index(
        "outbox_unsent", "outbox", ["id"], unique=False, postgresql_where=sa.text("sent_at IS NULL")
    )
    op.create_table(
        "web_session",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("login", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_table(
        "project",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("api_url", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("github_id", sa.BigInteger(), nullable=False),
        sa.Column("clone_url", sa.Text(), nullable=False),
        sa.Column("default_branch", sa.Text(), nullable=False),
        sa.Column("credential_id", sa.BigInteger(), nullable=True),
        sa.Column("webhook_credential_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("paused_reason", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("interval_seconds", sa.Integer(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("credential_id IS NOT NULL OR state = 'removed'", name="project_token"),
        sa.CheckConstraint(
            "owner ~ '^[A-Za-z0-9_.-]{1,100}$' AND name ~ '^[A-Za-z0-9_.-]{1,100}$'",
            name="project_full_name",
        ),
        sa.CheckConstraint("state IN ('active', 'paused', 'removed')", name="project_state"),
        sa.CheckConstraint("interval_seconds BETWEEN 1 AND 86400", name="project_interval"),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["credential.id"],
        ),
        sa.ForeignKeyConstraint(
            ["webhook_credential_id"],
            ["credential.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_project_credential_id"), "project", ["credential_id"], unique=False)
    op.create_index(
        "project_once",
        "project",
        ["api_url", sa.literal_column("lower(owner)"), sa.literal_column("lower(name)")],
        unique=True,
        postgresql_where=sa.text("state <> 'removed'"),
    )
    op.create_table(
        "issue",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("github_id", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("html_url", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("pinned_hash", sa.Text(), nullable=True),
        sa.Column("pinned_title", sa.Text(), nullable=True),
        sa.Column("pinned_body", sa.Text(), nullable=True),
        sa.Column("labelled_by", sa.Text(), nullable=True),
        sa.Column("label_event_id", sa.BigInteger(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("status_comment_id", sa.BigInteger(), nullable=True),
        sa.Column("remote_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('open', 'closed', 'gone')", name="issue_state"),
        sa.CheckConstraint(
            "(pinned_hash IS NULL) = (pinned_title IS NULL)", name="issue_pinned_together"
        ),
        sa.CheckConstraint("number > 0 AND generation >= 0", name="issue_counts"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "number", name="issue_once"),
    )
    op.create_table(
        "label",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.CheckConstraint("purpose IN ('build', 'plan', 'cancel')", name="label_purpose"),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 50", name="label_name_length"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", "name", name="label_one_purpose_each"),
        sa.UniqueConstraint("project_id", "purpose", name="label_one_per_purpose"),
    )
    op.create_index(op.f("ix_label_project_id"), "label", ["project_id"], unique=False)
    op.create_table(
        "notification_target",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind IN ('webhook', 'email')", name="notification_target_kind"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        op.f("ix_notification_target_project_id"),
        "notification_target",
        ["project_id"],
        unique=False,
    )
    op.create_table(
        "policy",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "checks", postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
        ),
        sa.Column("check_timeout_seconds", sa.Integer(), nullable=False),
        sa.Column(
            "trusted_logins",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column(
            "allowed_models",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column(
            "fallback_models",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column(
            "egress_hosts",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="null",
            nullable=False,
        ),
        sa.Column("allow_workflow_changes", sa.Boolean(), nullable=False),
        sa.Column("max_iterations", sa.Integer(), nullable=False),
        sa.Column("max_tokens", sa.BigInteger(), server_default="2000000", nullable=False),
        sa.Column("max_seconds", sa.Integer(), nullable=False),
        sa.Column("cpus", sa.Float(), nullable=False),
        sa.Column("memory_mib", sa.Integer(), nullable=False),
        sa.Column("pids", sa.Integer(), nullable=False),
        sa.Column("draft_pull_request", sa.Boolean(), nullable=False),
        sa.Column(
            "agent_command",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default="[]",
            nullable=False,
        ),
        sa.Column("idle_seconds", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "cpus > 0 AND memory_mib >= 128 AND pids >= 16", name="policy_container"
        ),
        sa.CheckConstraint("max_iterations BETWEEN 1 AND 100", name="policy_max_iterations"),
        sa.CheckConstraint("max_seconds BETWEEN 60 AND 604800", name="policy_max_seconds"),
        sa.CheckConstraint("max_tokens BETWEEN 1000 AND 1000000000", name="policy_max_tokens"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("project_id", name="policy_one_per_project"),
    )
    op.create_table(
        "webhook_delivery",
        sa.Column("delivery_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_index(
        op.f("ix_webhook_delivery_project_id"), "webhook_delivery", ["project_id"], unique=False
    )
    op.create_table(
        "run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("project_id", sa.BigInteger(), nullable=False),
        sa.Column("issue_id", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("workflow_id", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("branch", sa.Text(), nullable=True),
        sa.Column("base_sha", sa.Text(), nullable=True),
        sa.Column("head_sha", sa.Text(), nullable=True),
        sa.Column("agent_session", sa.Text(), nullable=True),
        sa.Column("iterations", sa.Integer(), nullable=False),
        sa.Column("tokens_used", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("pr_number", sa.Integer(), nullable=True),
        sa.Column("pr_url", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=False),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_by", sa.Text(), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "CASE WHEN ended_at IS NULL THEN NOT (status IN ('cancelled', 'completed', 'failed', 'needs_input', 'no_changes'))"
            " ELSE status IN ('budget_exceeded', 'cancelled', 'completed', 'failed', 'needs_input', 'no_changes') END",
            name="run_ended_with_time",
        ),
        sa.CheckConstraint("purpose IN ('build', 'plan')", name="run_purpose"),
        sa.CheckConstraint(
            "status <> 'completed' OR purpose <> 'build' OR pr_number IS NOT NULL",
            name="run_completed_has_pr",
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'provisioning', 'running', 'verifying', 'reviewing', 'awaiting_approval', 'creating_pr', 'completed', 'no_changes', 'failed', 'cancelled', 'budget_exceeded', 'needs_input')",
            name="run_status",
        ),
        sa.CheckConstraint("(pr_number IS NULL) = (pr_url IS NULL)", name="run_pr_together"),
        sa.ForeignKeyConstraint(
            ["issue_id"],
            ["issue.id"],
        ),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("issue_id", "generation", name="run_once_per_label"),
        sa.UniqueConstraint("workflow_id"),
    )
    op.create_index(op.f("ix_run_issue_id"), "run", ["issue_id"], unique=False)
    op.create_index("run_by_project_and_time", "run", ["project_id", "created_at"], unique=False)
    op.create_index(
        "run_one_live_per_issue",
        "run",
        ["issue_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("chain", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=True),
        sa.Column("project_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column(
            "data", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column(
            "at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("length(kind) BETWEEN 1 AND 80", name="event_kind_length"),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["project.id"],
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("chain", "seq", name="event_chain_seq"),
    )
    op.create_index("event_by_project", "event", ["project_id", "id"], unique=False)
    op.create_index("event_by_run", "event", ["run_id", "id"], unique=False)
    op.create_table(
        "feedback",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_feedback_run_id"), "feedback", ["run_id"], unique=False)
    op.create_table(
        "step",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("container", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("log_cursor", sa.Text(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column(
            "report", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "kind IN ('base', 'agent', 'collect', 'verify', 'review', 'export')", name="step_kind"
        ),
        sa.CheckConstraint(
            "state IN ('running', 'succeeded', 'failed', 'stopped')", name="step_state"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["run.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("run_id", "kind", "number", name="step_once"),
    )
    op.create_table(
        "output",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("step_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["run.id"],
        ),
        sa.ForeignKeyConstraint(
            ["step_id"],
            ["step.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("step_id", "number", name="output_once"),
    )
    op.create_index(op.f("ix_output_run_id"), "output", ["run_id"], unique=False)
    for statement in CHAIN_UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in CHAIN_DOWN:
        op.execute(statement)
    op.drop_index(op.f("ix_output_run_id"), table_name="output")
    op.drop_table("output")
    op.drop_table("step")
    op.drop_index(op.f("ix_feedback_run_id"), table_name="feedback")
    op.drop_table("feedback")
    op.drop_index("event_by_run", table_name="event")
    op.drop_index("event_by_project", table_name="event")
    op.drop_table("event")
    op.drop_index(
        "run_one_live_per_issue", table_name="run", postgresql_where=sa.text("ended_at IS NULL")
    )
    op.drop_index("run_by_project_and_time", table_name="run")
    op.drop_index(op.f("ix_run_issue_id"), table_name="run")
    op.drop_table("run")
    op.drop_index(op.f("ix_webhook_delivery_project_id"), table_name="webhook_delivery")
    op.drop_table("webhook_delivery")
    op.drop_table("policy")
    op.drop_index(op.f("ix_notification_target_project_id"), table_name="notification_target")
    op.drop_table("notification_target")
    op.drop_index(op.f("ix_label_project_id"), table_name="label")
    op.drop_table("label")
    op.drop_table("issue")
    op.drop_index(
        "project_once", table_name="project", postgresql_where=sa.text("state <> 'removed'")
    )
    op.drop_index(op.f("ix_project_credential_id"), table_name="project")
    op.drop_table("project")
    op.drop_table("web_session")
    op.drop_index("outbox_unsent", table_name="outbox", postgresql_where=sa.text("sent_at IS NULL"))
    op.drop_index("outbox_key", table_name="outbox")
    op.drop_table("outbox")
    op.drop_table("login_link")
    op.drop_table("credential")
