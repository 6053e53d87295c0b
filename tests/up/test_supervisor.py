"""What ends by itself is started again, with longer and longer pauses."""

from __future__ import annotations

import threading
import time

import pytest
from pydantic import SecretStr

from paid.embedded import PostgresServer, TemporalServer
from paid.errors import EmbeddedServiceError
from paid.settings import Settings
from paid.up import dependencies, supervisor
from paid.up.supervisor import Supervisor, Watched
from tests.waiting import wait_until


class Part:
    """A part that lives when it is told to."""

    name = "part"

    def __init__(self) -> None:
        self.lives = True
        self.starts = 0
        self.refuses = False

    def ended(self) -> bool:
        return not self.lives

    def start(self) -> None:
        self.starts += 1
        if self.refuses:
            raise EmbeddedServiceError("No room.")
        self.lives = True

    def stop(self) -> None:
        pass


def look_until(watched: Watched, part: Part, starts: int, said: list[str]) -> None:
    def has_started() -> bool:
        watched.look(said.append)
        return part.starts >= starts

    wait_until(has_started, f"start {starts}")


def test_a_part_that_lives_is_left_alone() -> None:
    part, said = Part(), list[str]()
    Watched(part).look(said.append)
    assert (part.starts, said) == (0, [])


def test_a_part_that_ends_is_started_again_and_it_is_said() -> None:
    part, said = Part(), list[str]()
    watched = Watched(part)
    part.lives = False
    look_until(watched, part, 1, said)
    assert said == ["part ended; starting it again in 0.5 s"]


def test_the_pauses_grow_while_it_does_not_stay() -> None:
    part, said = Part(), list[str]()
    watched = Watched(part)
    for round_ in range(1, 4):
        part.lives = False
        look_until(watched, part, round_, said)
    assert [line.rpartition(" in ")[2] for line in said] == ["0.5 s", "1 s", "2 s"]
    assert supervisor.LONGEST_PAUSE_SECONDS == 30


class KilledPart(Part):
    """A part that somebody kills."""

    def was_killed(self) -> bool:
        return not self.lives


def test_a_part_that_is_killed_again_and_again_is_started_at_once_each_time() -> None:
    part, said = KilledPart(), list[str]()
    watched = Watched(part)
    for round_ in range(1, supervisor.FORGIVEN_KILLS + 1):
        part.lives = False
        watched.look(said.append)
        watched.look(said.append)
        assert part.starts == round_, "it has not crashed, and was let wait"
    assert set(said) == {"part ended; starting it again at once, since it was killed"}


def test_a_part_that_is_killed_whenever_it_starts_waits_longer_and_longer() -> None:
    """As one whose start takes more memory than there is."""
    part, said = KilledPart(), list[str]()
    watched = Watched(part)
    for round_ in range(1, supervisor.FORGIVEN_KILLS + 3):
        part.lives = False
        look_until(watched, part, round_, said)
    assert [line.rpartition(" in ")[2] for line in said[-2:]] == ["0.5 s", "1 s"]


def test_a_part_that_ends_while_a_server_is_away_has_not_crashed_and_starts_when_that_is_back() -> (
    None
):
    part, said, away = Part(), list[str](), ["PostgreSQL"]
    watched = Watched(part, lambda: away[0])
    for round_ in (1, 2, 3):
        away[0], part.lives = "PostgreSQL", False
        for _ in range(3):
            watched.look(said.append)
        assert part.starts == round_ - 1
        away[0] = ""
        watched.look(said.append)
        assert part.starts == round_, "it waited although the server was back"
    part.lives = False
    watched.look(said.append)
    assert said == [
        *["part ended; starting it again as soon as PostgreSQL answers"] * 3,
        "part ended; starting it again in 0.5 s",
    ]


def test_a_server_that_takes_long_to_start_keeps_no_program_waiting() -> None:
    server, part, may_start = Part(), Part(), threading.Event()
    server.start = may_start.wait  # type: ignore[method-assign,assignment]
    watching = Supervisor([part], lambda _line: None, [server])
    watching.start()
    server.lives = False
    part.lives = False
    wait_until(lambda: part.starts, "the program's start")
    may_start.set()
    watching.stop()


@pytest.mark.parametrize("gone", ["PostgreSQL", "Temporal"])
def test_a_server_that_does_not_answer_is_named(
    gone: str, postgres_server: PostgresServer, temporal_server: TemporalServer
) -> None:
    url, address = postgres_server.url(), temporal_server.address
    settings = Settings(database_url=SecretStr(url), temporal_address=address)
    assert dependencies.away(settings) == ""
    elsewhere = {
        "PostgreSQL": {"database_url": SecretStr("postgresql://x@127.0.0.1:1/x")},
        "Temporal": {"temporal_address": "127.0.0.1:1"},
    }
    assert dependencies.away(settings.changed(**elsewhere[gone])) == gone


def test_a_start_that_fails_is_tried_again() -> None:
    part, said = Part(), list[str]()
    watched = Watched(part)
    part.lives, part.refuses = False, True
    look_until(watched, part, 2, said)
    assert "part does not start: No room." in said


def test_nothing_is_started_after_the_supervisor_was_stopped() -> None:
    part = Part()
    watching = Supervisor([part], lambda _line: None)
    watching.start()
    part.lives = False
    watching.stop()
    starts = part.starts
    time.sleep(1)
    assert part.starts == starts
