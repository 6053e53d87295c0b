"""What alembic does: which migrations a database lacks, and bringing it to one of them.

Apart from the rest because alembic takes a tenth of a second to load, and few commands need it.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import paid.models

MIGRATIONS = Path(paid.models.__file__).parent / "migrations"


def move(connection: Connection, revision: str) -> None:
    """Bring the schema up to `revision`, or down where it is `base` or `-1`; commits."""
    config = _config()
    config.attributes["connection"] = connection
    going_down = revision == "base" or revision.startswith("-")
    (command.downgrade if going_down else command.upgrade)(config, revision)
    connection.commit()


def pending(connection: Connection) -> list[str]:
    """Revisions that this program knows and the database has not, the oldest first."""
    script = ScriptDirectory.from_config(_config())
    current = MigrationContext.configure(connection).get_current_heads()
    applied = {
        revision.revision for head in current for revision in script.iterate_revisions(head, "base")
    }
    known = [revision.revision for revision in script.walk_revisions()]
    return [revision for revision in reversed(known) if revision not in applied]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
