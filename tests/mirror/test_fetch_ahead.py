"""What a run starts from is fetched when its label is seen, and counts if that was just now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from paid.activities.parts import Host
from paid.containers.fake import FakeEngine
from paid.containers.mirror import Mirrors, Remote
from paid.containers.workspace import Workspaces
from paid.errors import PaidError
from paid.models import Project
from paid.settings import Settings
from paid.store.credentials import SecretBox
from paid.store.database import Database
from tests.mirror.conftest import RUN, Upstream

ANY = Project()


@dataclass(frozen=True)
class HostOf(Host):
    """A host with one project."""

    repository: Remote = field(kw_only=True)

    def remote(self, project: Project) -> Remote:
        return self.repository


@pytest.fixture
def here(tmp_path: Path, upstream: Upstream, database: Database) -> HostOf:
    settings, engine = Settings(data_dir=tmp_path / "data"), FakeEngine()
    return HostOf(
        settings=settings, database=database, engine=engine,
        workspaces=Workspaces(engine, settings), mirrors=Mirrors(settings),
        box=SecretBox(settings.secret_key_path), repository=upstream.remote,
    )  # fmt: skip


def prepared(here: HostOf, upstream: Upstream) -> str:
    fetch = partial(here.fetch, run_id=RUN)
    return here.mirrors.prepare(upstream.remote, RUN, "main", fetch).base_sha


def test_a_run_starts_from_what_was_fetched_when_its_label_was_seen(
    here: HostOf, upstream: Upstream
) -> None:
    tip = upstream.commit({"new.txt": "new"})
    here.fetch_ahead(ANY, RUN)
    here.background.wait(RUN, "fetch", 30)
    upstream.commit({"newer.txt": "newer"})

    assert prepared(here, upstream) == tip


def test_a_fetch_for_another_run_is_not_enough(here: HostOf, upstream: Upstream) -> None:
    here.fetch_ahead(ANY, RUN + 1)
    here.background.wait(RUN + 1, "fetch", 30)
    tip = upstream.commit({"newer.txt": "newer"})

    assert prepared(here, upstream) == tip


def test_a_run_that_had_to_wait_starts_from_what_is_there_then(
    here: HostOf, upstream: Upstream
) -> None:
    here = replace(here, fresh_seconds=0)
    here.fetch_ahead(ANY, RUN)
    here.background.wait(RUN, "fetch", 30)
    tip = upstream.commit({"newer.txt": "newer"})

    assert prepared(here, upstream) == tip


def test_a_fetch_that_failed_says_why_and_is_then_tried_again(
    here: HostOf, upstream: Upstream
) -> None:
    gone = upstream.bare.rename(upstream.bare.with_suffix(".gone"))
    here.fetch_ahead(ANY, RUN)
    here.background.wait(RUN, "fetch", 30)
    gone.rename(upstream.bare)

    with pytest.raises(PaidError):
        prepared(here, upstream)
    assert prepared(here, upstream)
