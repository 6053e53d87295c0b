"""Which of a host's runs goes first when some start and others end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from paid.precedence import Precedence

LONG_SECONDS = 60.0


class Clock:
    """A clock that a test turns on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def precedence(clock: Clock) -> Precedence:
    return Precedence(patience_seconds=20, start_seconds=30, clock=clock)


class Waiting:
    """A run that gives way in a thread of its own."""

    def __init__(
        self, precedence: Precedence, run_id: int, leave: Callable[[], bool] = lambda: False
    ) -> None:
        self._looked = threading.Event()
        self._leave = leave
        self._thread = threading.Thread(
            target=precedence.give_way, args=(run_id, self._left), daemon=True
        )
        self._thread.start()

    def waits(self) -> bool:
        """It has looked whether it may go on, and may not."""
        return self._looked.wait(LONG_SECONDS)

    def goes_on(self) -> bool:
        self._thread.join(LONG_SECONDS)
        return not self._thread.is_alive()

    def _left(self) -> bool:
        # asked only by a run that has to wait
        self._looked.set()
        return self._leave()


def test_an_end_goes_on_at_once_when_nothing_starts(precedence: Precedence) -> None:
    precedence.give_way(1, leave=lambda: pytest.fail("It waits for nobody."))


def test_a_start_overtakes_the_ends_that_wait(precedence: Precedence) -> None:
    precedence.expect(1)
    ends = [Waiting(precedence, 2), Waiting(precedence, 3)]
    assert all(end.waits() for end in ends)
    precedence.settle(1)
    assert all(end.goes_on() for end in ends)


def test_an_end_waits_for_every_start(precedence: Precedence) -> None:
    precedence.expect(1)
    precedence.expect(2)
    precedence.settle(1)
    end = Waiting(precedence, 3)
    assert end.waits()
    precedence.settle(2)
    assert end.goes_on()


def test_a_run_does_not_wait_for_its_own_start(precedence: Precedence) -> None:
    precedence.expect(1)
    precedence.give_way(1, leave=lambda: pytest.fail("It waits for itself."))


def test_an_end_is_not_starved_by_starts_that_never_stop_coming(
    precedence: Precedence, clock: Clock
) -> None:
    precedence.expect(1)
    end = Waiting(precedence, 2)
    assert end.waits()
    clock.now += 19
    precedence.expect(3)
    clock.now += 2
    assert end.goes_on()


def test_a_runs_waits_count_together(precedence: Precedence, clock: Clock) -> None:
    precedence.give_way(2)
    clock.now += 21
    precedence.expect(1)
    precedence.give_way(2, leave=lambda: pytest.fail("Its patience is over."))


def test_a_run_is_patient_anew_after_its_next_turn(precedence: Precedence, clock: Clock) -> None:
    precedence.give_way(2)
    clock.now += 21
    precedence.expect(2)
    precedence.settle(2)
    precedence.expect(1)
    end = Waiting(precedence, 2)
    assert end.waits()
    precedence.forget(1)
    assert end.goes_on()


def test_a_cancelled_waiter_leaves(precedence: Precedence) -> None:
    precedence.expect(1)
    cancelled = threading.Event()
    end = Waiting(precedence, 2, leave=cancelled.is_set)
    assert end.waits()
    cancelled.set()
    assert end.goes_on()


def test_a_start_whose_workflow_died_is_not_awaited_for_ever(
    precedence: Precedence, clock: Clock
) -> None:
    precedence.expect(1)
    clock.now += 31
    precedence.give_way(2, leave=lambda: pytest.fail("Nobody says that this start is over."))


def test_a_run_that_is_over_is_not_awaited(precedence: Precedence) -> None:
    precedence.expect(1)
    precedence.forget(1)
    precedence.give_way(2, leave=lambda: pytest.fail("The other run has ended."))


def test_a_container_is_held_back_until_the_last_start(
    precedence: Precedence, tmp_path: Path
) -> None:
    mark = tmp_path / "later"
    precedence.expect(1)
    precedence.expect(2)
    precedence.expect(3)
    precedence.hold_back(3, mark)
    precedence.settle(3)
    precedence.settle(1)
    assert mark.exists()
    precedence.settle(2)
    assert not mark.exists()


def test_a_container_is_not_held_back_by_its_own_start(
    precedence: Precedence, tmp_path: Path
) -> None:
    precedence.expect(1)
    precedence.hold_back(1, tmp_path / "later")
    assert not (tmp_path / "later").exists()


def test_a_mark_whose_run_is_gone_is_no_trouble(precedence: Precedence, tmp_path: Path) -> None:
    precedence.expect(1)
    precedence.hold_back(2, tmp_path / "later")
    (tmp_path / "later").unlink()
    precedence.settle(1)


def test_patience_begins_when_the_agent_ends(precedence: Precedence, clock: Clock) -> None:
    precedence.ask(2)
    clock.now += 21
    precedence.expect(1)
    precedence.give_way(2, leave=lambda: pytest.fail("Its container has waited long enough."))


def test_a_host_is_crowded_while_others_start(precedence: Precedence) -> None:
    precedence.expect(1)
    assert not precedence.is_crowded(1)
    assert precedence.is_crowded(2)
