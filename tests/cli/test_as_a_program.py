"""The command as other programs meet it: pipes that close, Ctrl-C, JSON errors, completion."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from paid.models import Output, Step
from paid.store.database import Database
from tests.cli.conftest import NOWHERE, Paid, Repository
from tests.waiting import HANGS_SECONDS, wait_until

PAID = (sys.executable, "-m", "paid")


@pytest.fixture
def run_id(paid: Paid, project: Repository) -> int:
    return int(paid("run", f"{project.url}/issues/1", "--json").json["id"])


def started(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*PAID, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, told = process.communicate(timeout=HANGS_SECONDS)
    return process.returncode, told.decode()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("runs", "--nope", "--json"), "No such option: --nope"),
        (("nonsense", "--json"), "No such command 'nonsense'"),
        (("logs", "--json"), "Missing argument 'RUN'"),
        (("runs", "--page", "0", "--json"), "greater than or equal to 1"),
    ],
)
def test_wrong_words_are_told_to_programs_in_json(
    argv: tuple[str, ...], message: str, paid: Paid
) -> None:
    answer = paid(*argv)
    assert answer.code == 2
    error = json.loads(answer.err)["error"]
    assert error["code"] == "usage"
    assert message in error["message"]


def test_a_reader_that_has_seen_enough_sees_no_traceback(
    database: Database, run_id: int, environment: pytest.MonkeyPatch
) -> None:
    with database.session() as session:
        step = Step(run_id=run_id, kind="agent", number=1, container="c")
        session.add(step)
        session.flush()
        lines = [
            Output(run_id=run_id, step_id=step.id, number=n, text="x" * 200) for n in range(2000)
        ]
        session.add_all(lines)
    process = started("logs", str(run_id), "--output")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.stdout = None
    code, told = ended(process)
    assert told == ""
    assert code in (0, 1)


def test_standard_output_may_be_closed_from_the_start(environment: pytest.MonkeyPatch) -> None:
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *PAID, "--version"], capture_output=True, check=False
    )
    assert b"Traceback" not in closed.stderr


def test_ctrl_c_while_following_ends_quietly_with_130(
    run_id: int, environment: pytest.MonkeyPatch
) -> None:
    process = started("logs", "-f", str(run_id))
    assert process.stdout is not None
    assert b"run.requested" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert ended(process) == (130, "")


def test_who_follows_learns_that_the_servers_were_stopped(
    run_id: int, environment: pytest.MonkeyPatch, database_url: str
) -> None:
    process = started("logs", "-f", str(run_id))
    assert process.stdout is not None
    assert b"run.requested" in process.stdout.readline()
    with psycopg.connect(database_url, autocommit=True) as connection:
        stop = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query ~ '^LISTEN'"
        )
        here = " AND datname = current_database()"

        def is_stopped() -> bool:
            row = connection.execute(stop + here).fetchone()
            return row is not None and row[0] > 0

        wait_until(is_stopped, "a listener")
    code, told = ended(process)
    assert (code, f"paid logs -f {run_id}" in told, "should not" in told) == (4, True, False)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_completion(shell: str, environment: pytest.MonkeyPatch) -> None:
    script = subprocess.run(
        PAID,
        env={**os.environ, "_PAID_COMPLETE": f"source_{shell}"},
        capture_output=True,
        check=False,
    )
    assert script.returncode == 0, script.stderr
    assert b"_PAID_COMPLETE=complete_" + shell.encode() in script.stdout


def in_terminal(columns: int, *argv: str) -> str:
    """What a command prints in a terminal that is so wide."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    size = {"COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen([*PAID, *argv], stdout=its, env={**os.environ, **size})
    os.close(its)
    printed = b""
    with contextlib.suppress(OSError):  # Linux' word for the end of a terminal
        while chunk := os.read(ours, 4096):
            printed += chunk
    os.close(ours)
    assert process.wait(HANGS_SECONDS) == 0
    return printed.decode()


def test_nothing_is_cut_off_in_a_narrow_window(
    project: Repository, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("NO_COLOR", "1")
    shown = in_terminal(40, "project", "list")
    assert "…" not in shown
    assert "reeter" in shown
    assert "\x1b[3" not in shown  # a colour; bold is none


def test_a_database_that_is_not_paids_is_told_so(
    paid: Paid, environment: pytest.MonkeyPatch, database_url: str
) -> None:
    environment.setenv("DATABASE_URL", urlsplit(database_url)._replace(path="/postgres").geturl())
    answer = paid("runs")
    assert answer.code == 4
    assert "does not have the tables" in answer.err


def test_a_database_that_does_not_answer_gives_its_reason_and_no_password(
    paid: Paid, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", f"postgresql://me:s3cr3t@{NOWHERE}/x")
    answer = paid("runs")
    assert answer.code == 4
    assert "refused" in answer.err
    assert "DATABASE_URL" in answer.err
    assert "s3cr3t" not in answer.err


def test_a_token_file_that_cannot_be_read_is_named(
    paid: Paid, greeter: Repository, tmp_path: Path
) -> None:
    answer = paid("project", "add", "acme/greeter", "--token-file", str(tmp_path / "none"))
    assert answer.code == 2
    assert "none" in answer.err
