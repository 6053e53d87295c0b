"""The key file under programs that run on while it is rotated."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.errors import CredentialError
from paid.store import credentials
from paid.store.credentials import SecretBox
from paid.store.database import Database


def test_a_program_that_runs_goes_on_with_the_new_key(database: Database, tmp_path: Path) -> None:
    key_file = tmp_path / "secret.key"
    running = SecretBox(key_file)
    with database.session() as session:
        first = credentials.add(session, running, "github_token", "one")
    with database.session() as session:
        credentials.rotate(session, key_file)
    credentials.prune_keys(key_file)
    with database.session() as session:
        assert credentials.read(session, running, first) == "one"
        second = credentials.add(session, running, "github_token", "two")
    with database.session() as session:
        assert credentials.read(session, SecretBox(key_file), second) == "two"


def test_a_key_file_that_is_away_for_a_moment_stops_nobody(tmp_path: Path) -> None:
    key_file = tmp_path / "secret.key"
    box = SecretBox(key_file)
    sealed = box.seal("one")
    key_file.unlink()
    assert box.open(sealed) == "one"
    assert not key_file.exists()


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = SecretBox(tmp_path / "one.key").seal("secret")
    with pytest.raises(CredentialError, match="cannot be decrypted"):
        SecretBox(tmp_path / "two.key").open(sealed)
