"""What the shell offers after a Tab: names from the database. Silence when it is away."""

from __future__ import annotations

from paid.agents import registry
from paid.cli import connection
from paid.errors import PaidError
from paid.store import projects, runs


def project_names(incomplete: str) -> list[str]:
    """Projects whose name begins so."""
    try:
        with connection.database() as database, database.session() as session:
            names = [project.full_name for project in projects.listing(session)]
    except PaidError:
        return []
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def agent_names(incomplete: str) -> list[str]:
    """Agents whose name begins so."""
    return [name for name in registry.names() if name.startswith(incomplete)]


def live_runs(incomplete: str) -> list[str]:
    """Numbers of the runs that go on."""
    try:
        with connection.database() as database, database.session() as session:
            numbers = [str(run.id) for run in runs.live(session)]
    except PaidError:
        return []
    return [number for number in numbers if number.startswith(incomplete)]
