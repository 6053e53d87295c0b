"""The forge's webhooks arrive signed."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from paid.demo.forge import Forge
from paid.demo.forge.sample import OWNER, Planted


class Ear(HTTPServer):
    """Hears webhooks and keeps them."""

    heard: list[tuple[dict[str, str], bytes]]


class Handler(BaseHTTPRequestHandler):
    server: Ear

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.heard.append((dict(self.headers.items()), body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def ear() -> Iterator[Ear]:
    ear = Ear(("127.0.0.1", 0), Handler)
    ear.heard = []
    thread = threading.Thread(target=ear.serve_forever, daemon=True)
    thread.start()
    yield ear
    ear.shutdown()
    ear.server_close()


def test_a_label_is_told_with_a_signature(forge: Forge, planted: Planted, ear: Ear) -> None:
    forge.webhook(planted.repository, f"http://127.0.0.1:{ear.server_port}/hook", "a secret")

    forge.add_label(planted.repository, 1, "paid-build", OWNER)
    forge.wait_for_deliveries()

    headers, body = ear.heard[0]
    named = {name.lower(): value for name, value in headers.items()}
    digest = hmac.new(b"a secret", body, hashlib.sha256).hexdigest()
    assert named["x-hub-signature-256"] == f"sha256={digest}"
    assert named["x-github-event"] == "issues"
    assert forge.deliveries[0].status == 204
    assert forge.deliveries[0].id == named["x-github-delivery"]


def test_a_deaf_receiver_disturbs_nobody(forge: Forge, planted: Planted) -> None:
    forge.webhook(planted.repository, "http://127.0.0.1:1/", "a secret")

    forge.add_label(planted.repository, 1, "paid-build", OWNER)
    forge.wait_for_deliveries()

    assert forge.deliveries[0].status == 0
