from __future__ import annotations

import hashlib
import hmac
import json
import socket
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from paid.models import Project
from paid.store import credentials
from paid.store.credentials import SecretBox
from paid.store.database import Database
from tests.web.seed import Seed
from tests.web.serving import Dashboard

SECRET = "a shared secret"


@pytest.fixture
def body(dashboard: Dashboard, database: Database, tmp_path: Path) -> bytes:
    """A delivery about a project whose webhook has a secret."""
    box = SecretBox(dashboard.settings.secret_key_path)
    with database.session() as session:
        project = session.get_one(Project, Seed(session, tmp_path).project())
        project.webhook_credential_id = credentials.add(session, box, "webhook_secret", SECRET)
        repository = {"id": project.github_id, "full_name": project.full_name}
    return json.dumps(
        {"action": "labeled", "issue": {"number": 3}, "repository": repository}
    ).encode()


def deliver(
    client: httpx.Client, body: bytes, secret: str = SECRET, **headers: str
) -> httpx.Response:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    sent = {
        "x-github-event": "issues",
        "x-github-delivery": str(uuid4()),
        "x-hub-signature-256": f"sha256={signature}",
        "content-type": "application/json",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post("/webhooks/github", content=body, headers=sent)


def test_a_signed_delivery_makes_the_poll_look(stranger: httpx.Client, body: bytes) -> None:
    answer = deliver(stranger, body)
    assert (answer.status_code, answer.json()) == (202, {"looking": True})


def test_a_replay_is_accepted_and_does_nothing(
    stranger: httpx.Client, body: bytes, database: Database
) -> None:
    answers = [deliver(stranger, body, x_github_delivery="12345678-same").json() for _ in range(3)]
    assert [answer["looking"] for answer in answers] == [True, False, False]
    with database.session() as session:
        count = session.connection().execute(text("SELECT count(*) FROM webhook_delivery")).scalar()
    assert count == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"x_hub_signature_256": ""},
        {"x_hub_signature_256": "sha256=" + "0" * 64},
        {"x_hub_signature_256": "sha1=" + "0" * 40},
        {"x_hub_signature_256": "sha256"},
    ],
)
def test_a_forged_delivery_is_refused(
    stranger: httpx.Client, body: bytes, headers: dict[str, str]
) -> None:
    assert deliver(stranger, body, **headers).status_code == 401


def test_another_secret_and_another_body_are_refused(stranger: httpx.Client, body: bytes) -> None:
    assert deliver(stranger, body, secret="another").status_code == 401
    signature = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    altered = body.replace(b"labeled", b"edited.")
    answer = deliver(stranger, altered, x_hub_signature_256=f"sha256={signature}")
    assert answer.status_code == 401


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_webhook_is_refused(stranger: httpx.Client, sent: bytes) -> None:
    assert deliver(stranger, sent).status_code == 400


def test_a_large_delivery_passes_and_a_larger_one_does_not(
    stranger: httpx.Client, body: bytes
) -> None:
    padded = body[:-1] + b', "padding": "' + b"x" * (20 * 1024 * 1024) + b'"}'
    assert deliver(stranger, padded).status_code == 202
    assert deliver(stranger, b"x" * (26 * 1024 * 1024)).status_code == 413


@pytest.mark.parametrize("signature", ["", "x-hub-signature-256: sha256=none\r\n"])
def test_a_body_without_a_signature_is_not_even_received(
    dashboard: Dashboard, signature: str
) -> None:
    place = urlsplit(dashboard.url)
    head = (
        f"POST /webhooks/github HTTP/1.1\r\nhost: {place.netloc}\r\n{signature}"
        "content-type: application/json\r\ncontent-length: 24000000\r\n\r\n{"
    )
    with socket.create_connection((place.hostname or "", place.port or 0), 60) as client:
        client.sendall(head.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 401 ")


def test_there_is_no_page_to_visit(stranger: httpx.Client) -> None:
    assert stranger.get("/webhooks/github").status_code == 405
