"""PostgreSQL's own disk is full in the middle of a run (fault 25): it ends, comes back, and nothing
is lost: the agent works on meanwhile, and what it said is read when there is room again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from temporalio.client import WorkflowHistory

from paid.embedded.postgres_files import place_of
from paid.errors import DatabaseError
from paid.models import Run
from paid.settings import Settings
from paid.store import events
from paid.store.database import libpq_url
from paid.temporal import connect
from paid.up.installation import EmbeddedPaid
from tests.acceptance.stage import OWNER, UNTIL_TOLD, Stage, Watched
from tests.conftest import missing

DISK_BYTES = 250_000_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[tuple[Stage, Path]]:
    """An installation whose database has a small disk of its own, and where that is."""
    if os.geteuid() != 0:
        missing("mounting a disk (needs root)")
    folder = tmp_path / "s"
    with EmbeddedPaid(Settings(data_dir=folder / "data"), programs=()):
        data = place_of(folder / "data" / "postgres")
    assert data is not None
    image, kept = tmp_path / "disk", data.with_name("kept")
    image.touch()
    os.truncate(image, DISK_BYTES)
    data.rename(kept)
    data.mkdir()
    _run("mkfs.ext4", "-q", str(image))
    _run("mount", "-o", "loop", str(image), str(data))
    try:
        _run("cp", "-a", f"{kept}/.", str(data))
        shutil.rmtree(data / "lost+found")
        stage = Stage(folder)
        try:
            yield stage, data
        finally:
            stage.close()
    finally:
        _run("umount", str(data))


def test_a_run_outlives_a_full_disk_of_its_database(small: tuple[Stage, Path]) -> None:
    stage, data = small
    watched = stage.watch(agent_command=UNTIL_TOLD)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.saw(run, "agent.message")

    _fill(stage, data / "filler")
    told = stage.command("doctor")
    assert told.returncode != 0
    assert "database disk: 0.0 GB free" in told.stdout
    stage.let_end(run)
    stage.until(lambda: _has_failed(stage, run), "an outage that a turn's attempts do not outlast")
    (data / "filler").unlink()

    ended = stage.until(lambda: _ended(stage, watched), "the run's end")
    assert (ended.status, ended.error_message) == ("completed", "")
    assert len(stage.events(ended, "agent.started")) == 1
    said = [event.data["text"] for event in stage.events(ended, "agent.message")]
    assert said == ["begun", "told"]
    assert ended.id is not None
    with stage.database.session() as session:
        assert events.first_broken_link(session, events.run_chain(ended.id)) is None


def _fill(stage: Stage, filler: Path) -> None:
    """Until PostgreSQL cannot write its log any more, which ends it."""
    _run("dd", "if=/dev/zero", f"of={filler}", "bs=1M", accept=1)
    url = libpq_url(stage.database.url)
    with suppress(psycopg.Error):
        while True:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("SELECT pg_logical_emit_message(true, 'paid', 'test')")
                connection.execute("SELECT pg_switch_wal()")


def _has_failed(stage: Stage, run: Run) -> bool:
    """Whether an activity of the run has failed for good."""

    async def history() -> WorkflowHistory:
        client = await connect(stage.settings)
        return await client.get_workflow_handle(run.workflow_id).fetch_history()

    found = asyncio.run(history()).events
    return any(event.HasField("activity_task_failed_event_attributes") for event in found)


def _ended(stage: Stage, watched: Watched) -> Run | None:
    with suppress(DatabaseError):
        run = stage.run_of(watched)
        return run if run and run.ended else None
    return None


def _run(*argv: str, accept: int = 0) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode in (0, accept), done.stderr
