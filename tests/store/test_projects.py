"""Projects and their settings, in a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlmodel import select

from paid.contracts import RunStatus
from paid.errors import BadInputError, NotFoundError
from paid.github.words import IssueSeen
from paid.models import Credential, Event, Project, Run
from paid.store import budgets, issues, projects, runs
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.project_settings import REGISTRIES, ProjectChanges, change
from paid.store.projects import NewProject

TOKEN = "ghp_canary_of_a_token"


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox(tmp_path / "secret.key")


def new(name: str = "greeter", api_url: str = "https://api.github.com") -> NewProject:
    return NewProject(
        api_url=api_url,
        owner="Acme",
        name=name,
        github_id=7,
        clone_url=f"https://github.com/Acme/{name}.git",
        default_branch="main",
        token=TOKEN,
    )


@pytest.fixture
def project_id(database: Database, box: SecretBox) -> int:
    with database.session() as session:
        return projects.number(projects.add(session, box, new(), by="maria"))


def test_a_new_project_has_labels_a_policy_limits_and_an_event(
    database: Database, project_id: int
) -> None:
    with database.session() as session:
        assert projects.labels(session, project_id) == {
            "build": "paid-build",
            "plan": "paid-plan",
            "cancel": "paid-cancel",
        }
        assert projects.policy(session, project_id).max_iterations == 10
        assert budgets.limits(session, project_id)["day"].cents == 2000
        event = session.exec(select(Event).where(Event.project_id == project_id)).one()
        assert (event.kind, event.data["by"]) == ("project.added", "maria")


def test_its_token_is_stored_encrypted(database: Database, project_id: int, box: SecretBox) -> None:
    with database.session() as session:
        stored = session.exec(select(Credential)).one()
        assert TOKEN not in stored.ciphertext
        project = projects.get(session, project_id)
        assert projects.token(session, box, project) == TOKEN


def test_it_is_found_by_number_and_by_name_in_any_case(database: Database, project_id: int) -> None:
    with database.session() as session:
        for name in (str(project_id), "Acme/greeter", "acme/GREETER", " acme/greeter.git "):
            assert projects.find(session, name).id == project_id


@pytest.mark.parametrize(
    "name",
    [
        "",
        "greeter",
        "acme/",
        "/x",
        "a/b/c",
        "acme/..",
        "../x",
        "a b/c",
        "acme/x\0",
        "https://x/y",
        "-x/--upload-pack=y z",
        "é/é",
        "9" * 40,
    ],
)
def test_other_forms_of_a_name_are_refused_with_a_hint(database: Database, name: str) -> None:
    with database.session() as session, pytest.raises(BadInputError) as refused:
        projects.find(session, name)
    assert "OWNER/REPO" in (refused.value.hint or "")


def test_what_is_not_there_is_not_found(database: Database) -> None:
    for name in ("acme/other", "12345", "999999999999999999"):
        with database.session() as session, pytest.raises(NotFoundError):
            projects.find(session, name)


def test_the_same_repository_is_added_once(
    database: Database, project_id: int, box: SecretBox
) -> None:
    with database.session() as session, pytest.raises(BadInputError, match="already"):
        projects.add(session, box, new("GREETER"))


def test_one_of_the_same_name_on_another_server_must_be_named_by_its_number(
    database: Database, project_id: int, box: SecretBox
) -> None:
    with database.session() as session:
        projects.add(session, box, new(api_url="https://github.example.org/api/v3"))
    with database.session() as session, pytest.raises(BadInputError, match="several servers"):
        projects.find(session, "acme/greeter")


def test_removing_forgets_the_secrets_and_keeps_the_row(
    database: Database, project_id: int, box: SecretBox
) -> None:
    with database.session() as session:
        change(session, project_id, ProjectChanges(webhook_secret="s" * 20), by="x", box=box)
    with database.session() as session:
        projects.remove(session, project_id, by="maria")
    with database.session() as session:
        assert session.exec(select(Credential)).all() == []
        assert session.get_one(Project, project_id).state == "removed"
        assert projects.listing(session) == []
        projects.add(session, box, new())


def test_pausing_twice_says_that_nothing_changed(database: Database, project_id: int) -> None:
    with database.session() as session:
        assert projects.pause(session, project_id, "holidays", by="maria")
        assert not projects.pause(session, project_id, "again", by="maria")
        assert projects.active(session) == []
        assert projects.resume(session, project_id, by="maria")
        assert not projects.resume(session, project_id, by="maria")
        assert projects.get(session, project_id).paused_reason == ""


def test_settings_change_together_and_are_told(
    database: Database, project_id: int, box: SecretBox
) -> None:
    changes = ProjectChanges(
        agent="claude-code",
        model="some-model",
        checks=[["python3", "-m", "unittest"]],
        egress_hosts=["example.org"],
        run_cents=300,
        daily_cents=None,
        token="ghp_another",
    )
    with database.session() as session:
        changed = change(session, project_id, changes, by="maria", box=box)
    assert "token" in changed
    with database.session() as session:
        project = projects.get(session, project_id)
        assert (project.agent, project.model) == ("claude-code", "some-model")
        assert projects.policy(session, project_id).checks == [["python3", "-m", "unittest"]]
        assert projects.policy(session, project_id).egress_hosts == ["example.org"]
        limits = budgets.limits(session, project_id)
        assert (limits["run"].cents, limits["day"].cents) == (300, None)
        assert projects.token(session, box, project) == "ghp_another"
        told = session.exec(select(Event).where(Event.kind == "project.changed")).one().data
    assert told["changes"]["token"] == "(secret)"
    assert "ghp_another" not in str(told)


def test_defaults_can_be_had_back(database: Database, project_id: int) -> None:
    with database.session() as session:
        change(session, project_id, ProjectChanges(model="m", egress_hosts=[]), by="x")
        change(session, project_id, ProjectChanges(model="", egress_hosts=REGISTRIES), by="x")
    with database.session() as session:
        assert projects.get(session, project_id).model is None
        assert projects.policy(session, project_id).egress_hosts is None


def test_two_labels_can_swap_their_purposes(database: Database, project_id: int) -> None:
    swap = ProjectChanges(build_label="paid-plan", plan_label="paid-build")
    with database.session() as session:
        change(session, project_id, swap, by="x")
    with database.session() as session:
        assert projects.labels(session, project_id)["build"] == "paid-plan"


def test_one_label_cannot_have_two_purposes(database: Database, project_id: int) -> None:
    with database.session() as session, pytest.raises(BadInputError, match="two purposes"):
        change(session, project_id, ProjectChanges(build_label="PAID-plan"), by="x")


BAD = {
    "agent": "Codex; rm -rf /",
    "model": "a b",
    "interval_seconds": 0,
    "time_zone": "Mars/Olympus",
    "build_label": "a,b",
    "plan_label": "x" * 51,
    "cancel_label": "",
    "checks": ["python3 -m unittest"],
    "check_timeout_seconds": -1,
    "trusted_logins": ["@maria"],
    "allowed_models": [""],
    "fallback_models": "m",
    "egress_hosts": ["https://example.org/"],
    "allow_workflow_changes": "yes",
    "draft_pull_request": 1,
    "commit_name": "Evil <ceo@example.org>",
    "commit_email": "no address",
    "raw_filters": ["a b"],
    "max_iterations": 101,
    "max_tokens": 10**12,
    "max_seconds": True,
    "cpus": float("nan"),
    "memory_mib": 64,
    "pids": 1.5,
    "token": "two words",
    "webhook_secret": "",
    "agent_command": ["a", "\0"],
    "run_cents": -1,
    "issue_cents": 10**12,
    "daily_cents": "5",
    "weekly_cents": 0.5,
    "monthly_cents": False,
    "warn_percents": [80, 0],
}


@pytest.mark.parametrize("name", BAD)
def test_a_value_that_cannot_be_is_refused_by_its_name(
    database: Database, project_id: int, box: SecretBox, name: str
) -> None:
    changes = ProjectChanges(agent="opencode") if name != "agent" else ProjectChanges()
    changes = ProjectChanges(**{**changes.given(), name: BAD[name]})
    with database.session() as session, pytest.raises(BadInputError) as refused:
        change(session, project_id, changes, by="x", box=box)
    assert name.replace("_", " ") in refused.value.message
    with database.session() as session:
        assert projects.get(session, project_id).agent == "codex"


def test_every_setting_has_a_case_above() -> None:
    assert set(BAD) == set(ProjectChanges.__dataclass_fields__)


def test_a_repository_of_another_server_and_one_that_is_added_anew_get_runs_of_their_own(
    database: Database, box: SecretBox, project_id: int
) -> None:
    """GitHub's number of the repository tells neither apart."""
    issue = IssueSeen(
        number=1, github_id=1, title="Greet", body="Say hello.", author="otto", labels=(),
        state="open", updated_at=datetime.now(UTC), html_url="https://github.com/Acme/greeter/1",
    )  # fmt: skip

    def ask(project: Project) -> Run:
        run = issues.request_run(session, project, issue, by="maria", event=None)
        assert run is not None
        assert run.id is not None
        return runs.end(session, run.id, RunStatus.FAILED, "of a test", "")

    with database.session() as session:
        first = ask(projects.get(session, project_id))
        projects.remove(session, project_id, by="maria")
        anew = ask(projects.add(session, box, new(), by="maria"))
        elsewhere = ask(projects.add(session, box, new(api_url="https://ghe/api/v3"), by="maria"))
        assert len({first.workflow_id, anew.workflow_id, elsewhere.workflow_id}) == 3
