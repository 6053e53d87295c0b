"""The doctor finds what is broken, says how to mend it, and is stopped by nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from paid.demo.forge import Forge
from paid.demo.scripted_model import ScriptedModel
from paid.doctor import Finding, State, containers, examine, machine, servers, services
from paid.doctor.examination import CHECKS, look
from paid.doctor.findings import Case, Check, ok
from paid.embedded import PostgresServer, TemporalServer
from paid.errors import BadInputError
from paid.settings import Settings
from paid.store import notifications, projects
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.projects import NewProject
from tests.conftest import missing
from tests.waiting import HANGS_SECONDS

NOWHERE = "127.0.0.1:1"


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        cache_dir=tmp_path / "cache",
        database_url=database_url,
        temporal_address=NOWHERE,
        anthropic_api_key=[],
        openai_api_key=[],
        gemini_api_key=[],
        web_port=1,
    )


def one(found: Sequence[Finding], name: str) -> Finding:
    (finding,) = [each for each in found if each.name == name]
    return finding


def test_a_check_that_hangs_or_fails_disturbs_no_other(settings: Settings) -> None:
    released = threading.Event()

    def hang(case: Case) -> Sequence[Finding]:
        released.wait(10 * HANGS_SECONDS)
        return []

    def fail(case: Case) -> Sequence[Finding]:
        raise ZeroDivisionError

    def refuse(case: Case) -> Sequence[Finding]:
        raise BadInputError("No.", hint="Do this.")

    found = examine(
        settings,
        checks=[
            Check("hangs", hang, seconds=0.5, mend="Wait."),
            Check("fails", fail, mend="Ask."),
            Check("refuses", refuse),
            Check("works", lambda _case: [ok("works", "well")]),
        ],
    )
    released.set()
    assert [finding.state for finding in found] == [*[State.BROKEN] * 3, State.OK]
    assert [finding.mend for finding in found[:3]] == ["Wait.", "Ask.", "Do this."]


def test_everything_that_is_broken_comes_with_a_cure(settings: Settings) -> None:
    found = examine(settings.changed(docker_host=f"tcp://{NOWHERE}"))
    bad = [finding for finding in found if finding.state == State.BROKEN]
    assert {finding.name for finding in bad} >= {"docker", "temporal", "worker", "gateway"}
    assert all(finding.mend for finding in bad)
    assert {check.name for check in CHECKS} >= {"disk", "docker", "postgresql", "github"}


def test_a_docker_that_is_away_is_not_taken_for_a_missing_image(settings: Settings) -> None:
    away = Case(settings.changed(docker_host=f"tcp://{NOWHERE}"))
    (found,) = look(Check("agent images", containers.images), away)
    assert found.state == State.SKIPPED


def test_a_running_docker_is_healthy(settings: Settings) -> None:
    found = look(Check("docker", containers.engine), Case(settings))
    if found[0].state == State.BROKEN:
        missing("no Docker here")
    assert {finding.name for finding in found} == {
        *("docker", "container limits", "seccomp", "workspaces")
    }


@pytest.mark.parametrize(
    ("free", "state"),
    [(500_000_000, State.BROKEN), (3_000_000_000, State.WARNING), (10**12, State.OK)],
)
def test_room_is_judged(free: int, state: State) -> None:
    assert machine.free_space("disk", "here", free).state == state


def test_limits_that_the_kernel_lacks_are_named() -> None:
    finding = containers._limits({"MemoryLimit": True, "PidsLimit": False, "SwapLimit": False})
    assert finding.state == State.BROKEN
    assert "swap, processes" in finding.detail


def test_a_key_file_that_others_may_read_is_broken(settings: Settings) -> None:
    SecretBox(settings.secret_key_path)
    assert machine.secret_key(Case(settings))[0].state == State.OK
    settings.secret_key_path.chmod(0o644)
    finding = machine.secret_key(Case(settings))[0]
    assert finding.state == State.BROKEN
    assert "chmod 600" in finding.mend


def test_an_old_schema_is_found(settings: Settings, postgres_server: PostgresServer) -> None:
    assert one(servers.postgres(Case(settings)), "schema").state == State.OK
    url = postgres_server.create_database("doctor_old")
    database = Database(url)
    database.migrate("0001")
    database.close()
    finding = one(servers.postgres(Case(settings.changed(database_url=SecretStr(url)))), "schema")
    assert finding.state == State.BROKEN
    assert "0002" in finding.detail
    postgres_server.drop_database("doctor_old")


def test_without_a_database_it_says_how_to_name_one(settings: Settings) -> None:
    case = Case(settings.changed(database_url=None))
    (finding,) = look(Check("postgresql", servers.postgres), case)
    assert finding.state == State.BROKEN
    assert "DATABASE_URL" in finding.mend


def test_temporal_is_asked_for_its_namespace_and_its_workers(
    settings: Settings, temporal_server: TemporalServer
) -> None:
    there = settings.changed(temporal_address=temporal_server.address, temporal_task_queue="none")
    assert look(Check("temporal", servers.temporal), Case(there))[0].state == State.OK
    assert look(Check("worker", servers.worker), Case(there))[0].state == State.BROKEN
    other = there.changed(temporal_namespace="nowhere")
    (found,) = look(Check("temporal", servers.temporal), Case(other))
    assert (found.state, "TEMPORAL_NAMESPACE" in found.mend) == (State.BROKEN, True)


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    forge = Forge(tmp_path / "forge", port=0)
    forge.start()
    yield forge
    forge.stop()


def test_each_projects_token_is_tried(settings: Settings, database: Database, forge: Forge) -> None:
    assert services.github(Case(settings))[0].state == State.SKIPPED
    token = forge.add_user("maria")
    forge.add_repository("acme/greeter", {"README.md": "hello"}, owner="maria")
    new = NewProject(
        api_url=forge.api_url,
        owner="acme",
        name="greeter",
        github_id=7,
        clone_url="x",
        default_branch="main",
        token=token,
    )
    with database.session() as session:
        project = projects.add(session, SecretBox(settings.secret_key_path), new)
    assert services.github(Case(settings))[0].state == State.OK
    with database.session() as session:
        projects.pause(session, projects.number(project), "holidays", by="maria")
    paused = services.github(Case(settings))[0]
    assert (paused.state, "holidays" in paused.detail) == (State.WARNING, True)
    forge.revoke_token(token)
    revoked = services.github(Case(settings))[0]
    assert revoked.state == State.BROKEN
    assert revoked.mend


def test_a_right_that_a_token_lacks_is_found_online_and_its_end_is_told(
    settings: Settings, database: Database, forge: Forge
) -> None:
    token = forge.add_user("maria")
    github_id = forge.add_repository("acme/greeter", {"README.md": "hello"}, owner="maria")
    clone_url = f"{forge.url}/acme/greeter.git"
    new = NewProject(forge.api_url, "acme", "greeter", github_id, clone_url, "main", token)
    with database.session() as session:
        projects.add(session, SecretBox(settings.secret_key_path), new)
    forge.limit_token(token, {"contents": "write", "issues": "write", "pull_requests": "read"})
    assert services.github(Case(settings))[0].state == State.OK
    lacking = services.github(Case(settings, online=True))[0]
    assert (lacking.state, "Pull requests: write" in lacking.detail) == (State.BROKEN, True)
    forge.limit_token(token, {"contents": "write", "issues": "write", "pull_requests": "write"})
    assert services.github(Case(settings, online=True))[0].state == State.OK
    soon = datetime.now(UTC) + timedelta(days=5)
    forge.let_expire(token, f"{soon:%Y-%m-%d %H:%M:%S} UTC")
    ends = services.github(Case(settings))[0]
    assert (ends.state, f"expires on {soon:%Y-%m-%d}" in ends.detail) == (State.WARNING, True)


def test_email_without_a_mail_server_is_warned_of(settings: Settings, database: Database) -> None:
    assert services.email(Case(settings))[0].state == State.SKIPPED
    box = SecretBox(settings.secret_key_path)
    with database.session() as session:
        notifications.add(session, box, "email", "a@example.org", project_id=None, secret="")
    found = one(examine(settings, checks=services.CHECKS), "email")
    assert (found.state, "PAID_SMTP_URL" in found.mend) == (State.WARNING, True)
    served = settings.changed(smtp_url=SecretStr("smtp://mail.example.org"))
    assert services.email(Case(served))[0].state == State.OK


def test_keys_are_looked_for_and_tried_only_when_asked_to(settings: Settings) -> None:
    model = ScriptedModel(port=0)
    url = model.start()
    try:
        assert services.keys(Case(settings))[0].state == State.BROKEN
        good = settings.changed(
            openai_api_key=[SecretStr(model.key), SecretStr("wrong")], openai_base_url=f"{url}/v1"
        )
        assert services.keys(Case(good))[0].state == State.OK
        assert len(model.requests) == 0
        tried = services.keys(Case(good, online=True))
        assert [finding.state for finding in tried] == [State.OK, State.BROKEN]
        assert model.key not in str(tried)
    finally:
        model.stop()


def test_a_vendor_that_is_away_is_broken(settings: Settings) -> None:
    away = settings.changed(gemini_api_key=[SecretStr("k")], gemini_base_url=f"http://{NOWHERE}")
    assert services.keys(Case(away, online=True))[0].state == State.BROKEN
