"""A webhook counts when it is signed, once, and only as a reason to look."""

from __future__ import annotations

import hashlib
import hmac
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from paid.errors import BadInputError, GitHubUnauthorizedError
from paid.github import reading
from paid.github.webhook import MOST_BYTES, parse, verify
from paid.github.words import IssueSeen
from paid.store import issues, projects, webhooks
from paid.store.credentials import SecretBox, add
from paid.store.database import Database
from paid.store.projects import NewProject
from tests.demo.contract import webhook_examples

SECRET = "between us"
DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958"


def body_of(action: str = "labeled", github_id: int = 77) -> bytes:
    repository = {"id": github_id, "full_name": "acme/greeter"}
    return json.dumps({"action": action, "issue": {"number": 3}, "repository": repository}).encode()


def signed(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_githubs_own_example_verifies() -> None:
    # from GitHub's page "Validating webhook deliveries"
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify("It's a Secret to Everybody", b"Hello, World!", signature)


@pytest.mark.parametrize(
    "signature",
    [
        None,
        "",
        "sha256=",
        "sha256=" + "0" * 64,
        signed(body_of(), "another secret"),
        signed(body_of() + b" "),
        "sha1=" + hmac.new(SECRET.encode(), body_of(), hashlib.sha1).hexdigest(),
        signed(body_of()).removeprefix("sha256="),
        signed(body_of()).upper(),
        "sha256=\u00e9",
    ],
)
def test_a_wrong_signature_is_no_signature(signature: str | None) -> None:
    assert not verify(SECRET, body_of(), signature)


def test_an_empty_secret_signs_nothing() -> None:
    assert not verify("", body_of(), signed(body_of(), ""))


@pytest.mark.parametrize(
    ("event", "delivery", "body"),
    [
        (None, DELIVERY, body_of()),
        ("issues", None, body_of()),
        ("issues", "'; DROP TABLE run", body_of()),
        ("issues", DELIVERY, b"payload=%7B"),
        ("issues", DELIVERY, b"[]"),
        ("issues", DELIVERY, b"\xff"),
        ("issues", DELIVERY, b"[" * 100_000),
        ("issues", DELIVERY, json.dumps({"repository": {"id": "1"}}).encode()),
        ("issues", DELIVERY, json.dumps({"repository": {"id": 2**70}}).encode()),
        ("issues", DELIVERY, b" " * (MOST_BYTES + 1)),
    ],
)
def test_what_github_does_not_send_is_bad_input(
    event: str | None, delivery: str | None, body: bytes
) -> None:
    with pytest.raises(BadInputError):
        parse(event, delivery, body)


def test_news_is_what_a_label_or_a_state_is_about() -> None:
    news = parse("issues", DELIVERY, body_of("labeled"))
    assert news is not None
    assert (news.github_repo_id, news.issue_number, news.look) == (77, 3, True)
    other = parse("watch", DELIVERY, body_of("started"))
    assert other is not None
    assert not other.look
    assert parse("ping", DELIVERY, b'{"zen": "x"}') is None


def test_a_form_is_read_as_the_json_in_it() -> None:
    """What GitHub sends when nobody chose a content type; it signs the form, not the JSON."""
    whole = json.loads(body_of())
    whole["issue"]["title"] = "a+b & c=d % ü \\ua9"
    form = urlencode({"payload": json.dumps(whole)}).encode()
    assert parse("issues", DELIVERY, form) == parse("issues", DELIVERY, json.dumps(whole).encode())
    assert verify(SECRET, form, signed(form))


@pytest.fixture
def box(tmp_path: Path) -> SecretBox:
    return SecretBox(tmp_path / "secret.key")


def add_project(
    database: Database, box: SecretBox, server: str, secret: str, number: int = 77
) -> int:
    new = NewProject(server, "acme", "greeter", number, f"{server}/acme/greeter.git", "main", "t")
    with database.session() as session:
        project = projects.add(session, box, new)
        project.webhook_credential_id = add(session, box, "webhook_secret", secret)
        session.add(project)
        return projects.number(project)


def receive(
    database: Database, box: SecretBox, delivery: str = DELIVERY, secret: str = SECRET
) -> int | None:
    body = body_of()
    with database.session() as session:
        return webhooks.receive(
            session,
            box,
            event="issues",
            delivery_id=delivery,
            signature=signed(body, secret),
            body=body,
        )


def test_a_signed_delivery_wakes_its_project_once(database: Database, box: SecretBox) -> None:
    project_id = add_project(database, box, "https://a.example", SECRET)
    assert receive(database, box) == project_id
    assert receive(database, box) is None
    assert receive(database, box, delivery="another-delivery") == project_id


def test_the_secret_tells_two_servers_with_the_same_number_apart(
    database: Database, box: SecretBox
) -> None:
    add_project(database, box, "https://a.example", "the other's secret")
    mine = add_project(database, box, "https://b.example", SECRET)
    assert receive(database, box) == mine


def test_a_forged_delivery_is_refused_and_not_remembered(
    database: Database, box: SecretBox
) -> None:
    project_id = add_project(database, box, "https://a.example", SECRET)
    with pytest.raises(GitHubUnauthorizedError):
        receive(database, box, secret="guessed")
    assert receive(database, box) == project_id


def test_old_deliveries_are_forgotten(database: Database, box: SecretBox) -> None:
    add_project(database, box, "https://a.example", SECRET)
    receive(database, box)
    with database.session() as session:
        assert webhooks.forget_old(session) == 0
        session.connection().exec_driver_sql(
            "UPDATE webhook_delivery SET received_at = now() - interval '31 days'"
        )
        assert webhooks.forget_old(session) == 1


def test_githubs_own_examples_are_all_understood() -> None:
    looked: set[tuple[str, str]] = set()
    issues = 0
    for event, examples in webhook_examples().items():
        for example in examples:
            news = parse(event, DELIVERY, json.dumps(example).encode())
            if news is not None and news.look:
                looked.add((event, example.get("action", "")))
            if event == "issues" and "labels" in example["issue"]:
                assert reading.issue(example["issue"]).number == example["issue"]["number"]
                issues += 1
    assert issues > 10
    assert {("issues", "labeled"), ("issues", "unlabeled"), ("issues", "deleted")} <= looked
    assert {event for event, _ in looked} <= {"issues", "issue_comment", "label", "repository"}


def wakes(database: Database, box: SecretBox, body: bytes, event: str = "issues") -> int | None:
    with database.session() as session:
        return webhooks.receive(
            session, box, event=event, delivery_id=uuid4().hex, signature=signed(body), body=body
        )


def about(event: str, action: str, **more: Any) -> bytes:
    repository = {"id": 77, "full_name": "acme/greeter"}
    subject = "pull_request" if event == "pull_request" else "issue"
    whole = {"action": action, "repository": repository, subject: {"number": 3}, **more}
    return json.dumps(whole).encode()


OURS = {"label": {"name": "Paid-Build"}}
OTHER = {"label": {"name": "bug"}}
LABELLED = {"issue": {"number": 3, "labels": [{"name": "paid-build"}]}}
UNLABELLED = {"issue": {"number": 3, "labels": [{"name": "bug"}]}}


@pytest.mark.parametrize(
    ("event", "action", "more"),
    [
        ("issues", "labeled", OURS),
        ("issues", "unlabeled", {"label": {"name": "paid-cancel"}}),
        ("issues", "labeled", {}),
        ("issues", "closed", LABELLED),
        ("issues", "closed", {}),
        ("issues", "deleted", LABELLED),
        ("issues", "transferred", LABELLED),
        ("pull_request", "labeled", OURS),
        ("label", "edited", {**OTHER, "changes": {"name": {"from": "paid-build"}}}),
        ("label", "deleted", OURS),
        ("repository", "archived", {}),
    ],
)
def test_what_can_change_something_wakes_the_poll(
    event: str, action: str, more: dict[str, Any], database: Database, box: SecretBox
) -> None:
    project_id = add_project(database, box, "https://a.example", SECRET)
    assert wakes(database, box, about(event, action, **more), event) == project_id


@pytest.mark.parametrize(
    ("event", "action", "more"),
    [
        ("issue_comment", "created", LABELLED),
        ("issue_comment", "edited", {}),
        ("issues", "labeled", OTHER),
        ("issues", "unlabeled", OTHER),
        ("issues", "opened", LABELLED),
        ("issues", "edited", LABELLED),
        ("issues", "assigned", LABELLED),
        ("issues", "closed", UNLABELLED),
        ("issues", "reopened", UNLABELLED),
        ("label", "edited", OTHER),
        ("label", "created", OURS),
        ("pull_request", "labeled", OTHER),
        ("pull_request", "synchronize", {}),
        ("push", "", {}),
        ("star", "created", {}),
    ],
)
def test_what_can_change_nothing_wakes_nobody(
    event: str, action: str, more: dict[str, Any], database: Database, box: SecretBox
) -> None:
    add_project(database, box, "https://a.example", SECRET)
    assert wakes(database, box, about(event, action, **more), event) is None


def test_a_closed_issue_with_a_run_wakes_the_poll_whatever_its_labels(
    database: Database, box: SecretBox
) -> None:
    project_id = add_project(database, box, "https://a.example", SECRET)
    seen = IssueSeen(3, 30, "T", "B", "otto", (), "open", datetime.now(UTC), "https://a.example/3")
    with database.session() as session:
        project = projects.get(session, project_id)
        assert issues.request_run(session, project, seen, by="maria", event=None) is not None
    assert wakes(database, box, about("issues", "closed", **UNLABELLED)) == project_id


def test_projects_that_share_a_secret_are_told_apart_by_what_is_signed(
    database: Database, box: SecretBox
) -> None:
    add_project(database, box, "https://a.example", SECRET, number=76)
    mine = add_project(database, box, "https://b.example", SECRET)
    assert wakes(database, box, body_of()) == mine
    with pytest.raises(GitHubUnauthorizedError):
        wakes(database, box, body_of(github_id=75))


def test_what_nobody_signed_is_not_read(database: Database, box: SecretBox) -> None:
    """Twenty megabytes of small lists took seven hundred to be parsed, and all pages waited."""
    add_project(database, box, "https://a.example", SECRET)
    body = b'{"a": [' + b"[],{}," * 3_500_000 + b"0]}"
    tracemalloc.start()
    try:
        with pytest.raises(GitHubUnauthorizedError), database.session() as session:
            webhooks.receive(
                session,
                box,
                event="issues",
                delivery_id=DELIVERY,
                signature=signed(body, "guessed"),
                body=body,
            )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * 1024 * 1024


def test_a_signed_body_that_no_issue_has_is_a_reason_to_look_and_is_not_read(
    database: Database, box: SecretBox
) -> None:
    project_id = add_project(database, box, "https://a.example", SECRET)
    large = b'{"a": [' + b"[],{}," * 500_000 + b"0]}"
    assert wakes(database, box, large) == project_id
    assert wakes(database, box, large, "push") is None


def test_the_header_that_names_the_repository_is_only_a_hint(
    database: Database, box: SecretBox
) -> None:
    mine = add_project(database, box, "https://a.example", SECRET)
    body = body_of()
    for number, hint in enumerate(("77", "1", "", "'; --", "9" * 30, None)):
        with database.session() as session:
            given = {"event": "issues", "signature": signed(body), "body": body}
            delivery = f"delivery-{number}"
            assert (
                webhooks.receive(
                    session,
                    box,
                    delivery_id=delivery,
                    target_id=hint,
                    **given,  # type: ignore[arg-type]
                )
                == mine
            )
