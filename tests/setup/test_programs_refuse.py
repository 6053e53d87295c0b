"""What the single programs say when they cannot begin: a sentence, and never a traceback."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from paid.embedded import PostgresServer, TemporalServer

ROOT = Path(__file__).parents[2]
PROGRAMS = ("temporal-worker", "web", "jobs", "gateway")
LONG_SECONDS = 120


def run(name: str, tmp_path: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Its exit code, and all that it said."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PAID_")}
    own.pop("DATABASE_URL", None)
    done = subprocess.run(
        [ROOT / "bin" / name, *arguments],
        env=own | {"PAID_DATA_DIR": str(tmp_path)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_SECONDS,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_without_a_database_it_says_which_variable_to_set(name: str, tmp_path: Path) -> None:
    code, said = run(name, tmp_path)
    assert (code, "DATABASE_URL" in said, "Traceback" in said) == (1, True, False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_odd_setting_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    code, said = run(name, tmp_path, PAID_RUN_SLOTS="many")
    assert (code, "PAID_RUN_SLOTS" in said, "Traceback" in said) == (1, True, False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_explains_itself_and_refuses_what_it_does_not_know(name: str, tmp_path: Path) -> None:
    code, said = run(name, tmp_path, "--help")
    assert (code, f"bin/{name}" in said, "DATABASE_URL" in said) == (0, True, True)
    code, said = run(name, tmp_path, "--nonsense")
    assert (code, "--nonsense" in said) == (2, True)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"TEMPORAL_ADDRESS": "127.0.0.1:1"}, "does not answer at 127.0.0.1:1"),
        ({"TEMPORAL_NAMESPACE": "nowhere"}, "no namespace 'nowhere'"),
    ],
)
def test_a_worker_says_what_is_wrong_with_temporal(
    variables: dict[str, str],
    told: str,
    postgres_server: PostgresServer,
    temporal_server: TemporalServer,
    tmp_path: Path,
) -> None:
    url = postgres_server.create_database("refusals")
    given = {"DATABASE_URL": url, "TEMPORAL_ADDRESS": temporal_server.address} | variables
    try:
        code, said = run("temporal-worker", tmp_path, **given)
    finally:
        postgres_server.drop_database("refusals")
    assert (code, told in said, "Traceback" in said) == (1, True, False), said
