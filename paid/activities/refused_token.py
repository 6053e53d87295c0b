"""A token that GitHub refuses while a run publishes: further runs would be paid for in vain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from paid.errors import GitHubUnauthorizedError
from paid.models import Project
from paid.store import projects
from paid.store.database import Database

_log = structlog.get_logger(__name__)


@contextmanager
def refusal_pauses(database: Database, project: Project) -> Iterator[None]:
    """Pause the project, with the reason, where a 401 or 403 ends what is done in the block.

    The run fails as it would without this, and its work is kept; nothing new begins.
    """
    try:
        yield
    except GitHubUnauthorizedError as error:
        reason = f"GitHub refused what a run was to publish. {error}"
        project_id = projects.number(project)
        _log.warning("publish.paused", project_id=project_id, reason=reason)
        with database.session() as session:
            projects.pause(session, project_id, reason, by="paid")
        raise
