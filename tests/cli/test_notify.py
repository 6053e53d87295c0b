"""`paid notify …`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Paid, Repository


def test_targets_are_added_listed_and_removed(
    paid: Paid, project: Repository, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123\n")
    hook = paid("notify", "add", "https://example.org/hook", "--secret-file", str(secret))
    assert hook.code == 0, hook.err
    assert paid("notify", "add", "team@example.org", "-p", "acme/greeter").code == 0
    listed = paid("notify", "list", "--json")
    assert [row["project_id"] for row in listed.json] == [None, 1]
    assert "0123456789abcdef" not in listed.out + paid("notify", "list").out
    assert paid("notify", "remove", "1").code == 0
    assert paid("notify", "remove", "1").code == 3


def test_an_email_that_no_server_would_send_is_warned_of(
    paid: Paid, project: Repository, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("PAID_SMTP_URL", raising=False)
    added = paid("notify", "add", "team@example.org", "--json")
    assert (added.code, added.json["id"]) == (0, 1)
    assert "PAID_SMTP_URL is not set" in added.err
    environment.setenv("PAID_SMTP_URL", "smtp://mail.example.org")
    assert paid("notify", "add", "others@example.org").err == ""


def test_the_list_names_the_project(paid: Paid, project: Repository) -> None:
    paid("notify", "add", "team@example.org", "-p", "acme/greeter")
    paid("notify", "add", "boss@example.org")
    paid("project", "remove", "1", "--yes")
    listed = paid("notify", "list").out.splitlines()
    assert [line.split()[-1] for line in listed[1:]] == ["acme/greeter", "all"]


def test_a_webhook_without_a_secret_is_refused(paid: Paid) -> None:
    answer = paid("notify", "add", "https://example.org/hook")
    assert answer.code == 2
    assert "--secret-file" in answer.err
