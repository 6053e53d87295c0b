"""What a run starts from is fetched when its label is seen, and counts if that was just now."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.activities import parts
from paid.activities.parts import Host
from paid.containers.fake import FakeEngine
from paid.containers.mirror import Mirrors, Remote
from paid.containers.workspace import Workspaces
from paid.models import Project
from paid.settings import Settings
from paid.store.credentials import SecretBox
from paid.store.database import Database
from tests.mirror.conftest import PROJECT, RUN, Upstream
from tests.mirror.githost import GitHost

ANY = Project()


class HostOf(Host):
    """A host with one project."""

    repository: Remote

    def remote(self, project: Project) -> Remote:
        return self.repository


@pytest.fixture
def here(tmp_path: Path, upstream: Upstream, database: Database) -> HostOf:
    settings, engine = Settings(data_dir=tmp_path / "data"), FakeEngine()
    made = HostOf(
        settings=settings, database=database, engine=engine,
        workspaces=Workspaces(engine, settings), mirrors=Mirrors(settings),
        box=SecretBox(settings.secret_key_path),
    )  # fmt: skip
    object.__setattr__(made, "repository", upstream.remote)
    return made


def test_a_run_starts_from_what_was_fetched_when_its_label_was_seen(
    here: HostOf, upstream: Upstream
) -> None:
    tip = upstream.commit({"new.txt": "new"})
    here.fetch_ahead(ANY, RUN)

    assert here.was_fetched(RUN)
    assert here.mirrors.base_sha(PROJECT, "main") == tip
    upstream.commit({"newer.txt": "newer"})
    prepared = here.mirrors.prepare(upstream.remote, RUN, "main", fetched=True)
    assert prepared.base_sha == tip


def test_it_counts_once_and_for_its_run_alone(here: HostOf) -> None:
    here.fetch_ahead(ANY, RUN)

    assert not here.was_fetched(RUN + 1)
    assert here.was_fetched(RUN)
    assert not here.was_fetched(RUN)


def test_a_run_that_had_to_wait_is_fetched_for_anew(
    here: HostOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.fetch_ahead(ANY, RUN)
    here.background.wait(RUN, "fetch", 30)
    monkeypatch.setattr(parts, "FRESH_SECONDS", 0)

    assert not here.was_fetched(RUN)


def test_a_fetch_that_fails_is_left_to_the_step_that_tells_of_it(
    here: HostOf, host: GitHost
) -> None:
    host.stop()
    here.fetch_ahead(ANY, RUN)

    assert not here.was_fetched(RUN)
