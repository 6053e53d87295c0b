"""`paid notify …`."""

from __future__ import annotations

from pathlib import Path

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


def test_a_webhook_without_a_secret_is_refused(paid: Paid) -> None:
    answer = paid("notify", "add", "https://example.org/hook")
    assert answer.code == 2
    assert "--secret-file" in answer.err
