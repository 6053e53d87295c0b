"""`paid release` and `paid project allow-secret`: what looks like a secret, let go by a person."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from paid.store.database import Database
from tests.cli.conftest import Paid, Repository
from tests.store.rows import FOUND, refuse

VALUE = "gh" + "p_" + "7Qm2Vx9Kd4Lp8Rt1Zn6Wb3Yc5Hf0Gs2JuA4e"
SHA256 = hashlib.sha256(VALUE.encode()).hexdigest()


@pytest.fixture
def refused(paid: Paid, project: Repository, database: Database) -> str:
    """The number of a run that was refused for two secrets."""
    asked = paid("run", f"{project.url}/issues/1", "--json")
    refuse(database, asked.json["id"])
    return str(asked.json["id"])


def test_a_release_says_what_it_lets_go_and_that_it_publishes(paid: Paid, refused: str) -> None:
    answer = paid("release", refused, "--reason", "keys of the test server")
    assert answer.code == 0, answer.err
    for each in FOUND:
        assert f"Released: {each['kind']} in {each['place']}." in answer.out
    assert "to be published" in answer.out  # Temporal is away
    (row,) = paid("runs", "--json").json
    assert row["status"] == "queued"
    logged = paid("logs", refused).out
    assert "(command line): keys of the test server" in logged
    assert all(logged.count(f"{each['kind']} in {each['place']}") == 2 for each in FOUND)


def test_a_release_for_programs_has_the_fingerprints(paid: Paid, refused: str) -> None:
    answer = paid("release", refused, "--reason", "keys of the test server", "--json")
    assert answer.json == {"id": int(refused), "released": FOUND, "started": False}


@pytest.mark.parametrize("reason", [[], ["--reason", ""], ["--reason", "x" * 501]])
def test_a_release_needs_a_reason(paid: Paid, refused: str, reason: list[str]) -> None:
    answer = paid("release", refused, *reason)
    assert answer.code == 2
    assert "reason" in answer.err
    assert paid("runs", "--json").json[0]["status"] == "failed"


def test_only_a_run_that_is_there_and_was_refused_is_released(
    paid: Paid, project: Repository
) -> None:
    asked = paid("run", f"{project.url}/issues/1", "--json")
    answer = paid("release", str(asked.json["id"]), "--reason", "why not")
    assert (answer.code, "No secret" in answer.err) == (2, True)
    assert paid("release", "999", "--reason", "why not").code == 3


def test_a_glob_of_paths_is_let_go_listed_and_taken_back(paid: Paid, project: Repository) -> None:
    glob = ("acme/greeter", "--path", "tests/keys/**")
    allowed = paid("project", "allow-secret", *glob, "--reason", "made for tests")
    assert allowed.code == 0, allowed.err
    shown = paid("project", "show", "acme/greeter")
    (line,) = [line for line in shown.out.splitlines() if "allowed secret" in line]
    assert "tests/keys/**" in line
    assert "(command line): made for tests" in line
    (entry,) = paid("project", "show", "acme/greeter", "--json").json["policy"]["allowed_secrets"]
    assert (entry["path"], entry["reason"]) == ("tests/keys/**", "made for tests")
    assert paid("project", "disallow-secret", *glob).code == 0
    assert "tests/keys" not in paid("project", "show", "acme/greeter").out
    again = paid("project", "disallow-secret", *glob)
    assert (again.code, "project show" in again.err) == (2, True)


@pytest.mark.parametrize("how", ["file", "pipe", "fingerprint"])
def test_a_value_is_let_go_by_its_hash_alone(
    paid: Paid, project: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    file = tmp_path / "value"
    file.write_text(f"{VALUE}\n")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{VALUE}\n"))
    given = {
        "file": ("--value-file", str(file)),
        "pipe": ("--value-file", "-"),
        "fingerprint": ("--fingerprint", SHA256),
    }[how]
    allowed = paid("project", "allow-secret", "acme/greeter", *given, "--reason", "a map's key")
    assert allowed.code == 0, allowed.err
    shown = paid("project", "show", "acme/greeter")
    assert SHA256 in shown.out
    assert VALUE not in allowed.out + shown.out
    taken = paid("project", "disallow-secret", "acme/greeter", "--fingerprint", SHA256, "--json")
    assert taken.json == {"project": "acme/greeter", "entry": SHA256}


@pytest.mark.parametrize(
    "given",
    [
        ("--path", "tests/keys/**"),
        ("--path", "tests/keys/**", "--reason", " "),
        ("--reason", "neither a path nor a value"),
        ("--path", "a/**", "--fingerprint", SHA256, "--reason", "both"),
        ("--path", "**", "--reason", "all"),
        ("--fingerprint", VALUE, "--reason", "the value itself"),
    ],
)
def test_what_lets_nothing_or_all_go_is_refused(
    paid: Paid, project: Repository, given: tuple[str, ...]
) -> None:
    answer = paid("project", "allow-secret", "acme/greeter", *given)
    assert answer.code == 2
    policy = paid("project", "show", "acme/greeter", "--json").json["policy"]
    assert policy["allowed_secrets"] == []
