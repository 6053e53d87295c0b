"""SQLModel tables. Importing this package fills `SQLModel.metadata` for Alembic and the store."""

from paid.models.access import RunHold, RunToken
from paid.models.check import BaseCheck
from paid.models.event import Event
from paid.models.issue import Issue, WebhookDelivery
from paid.models.jobs import JobCursor, UsageDay
from paid.models.ledger import (
    BudgetLimit,
    LedgerAccount,
    LedgerEntry,
    LedgerReservation,
    Organisation,
)
from paid.models.project import (
    DEFAULT_LABELS,
    Credential,
    Label,
    LabelPurpose,
    Policy,
    Project,
    ProjectState,
)
from paid.models.run import Feedback, Output, Run, Step
from paid.models.web import LoginLink, NotificationTarget, Outbox, WebSession

__all__ = [
    "DEFAULT_LABELS",
    "BaseCheck",
    "BudgetLimit",
    "Credential",
    "Event",
    "Feedback",
    "Issue",
    "JobCursor",
    "Label",
    "LabelPurpose",
    "LedgerAccount",
    "LedgerEntry",
    "LedgerReservation",
    "LoginLink",
    "NotificationTarget",
    "Organisation",
    "Outbox",
    "Output",
    "Policy",
    "Project",
    "ProjectState",
    "Run",
    "RunHold",
    "RunToken",
    "Step",
    "UsageDay",
    "WebSession",
    "WebhookDelivery",
]
