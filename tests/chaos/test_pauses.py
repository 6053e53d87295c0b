"""How long nothing went on after a blow."""

from __future__ import annotations

import pytest

from paid.chaos.pauses import Life, Struck, figures, pauses

KILL, FREEZE = Struck("kill worker", 10, 10), Struck("freeze worker", 20, 26)


def test_the_first_and_each_run_that_was_alive_are_timed_from_the_end_of_the_blow() -> None:
    quick = Life(0, 40, [1, 9.5, 12, 27, 40])
    slow = Life(5, 50, [6, 18, 24, 33, 50])
    seen = pauses([KILL, FREEZE], [quick, slow])
    assert [pause.blow for pause in seen.longest] == [KILL, FREEZE]
    assert seen.first == (2, 1)
    assert seen.each == (2, 8, 1, 7)


def test_a_run_that_had_ended_or_had_not_begun_is_not_hit() -> None:
    assert pauses([KILL], [Life(0, 9, [9]), Life(11, 30, [12, 30])]).each == ()


def test_a_run_that_never_goes_on_has_no_pause_and_is_found_by_the_judge() -> None:
    assert pauses([KILL], [Life(0, None, [1])]).each == ()


def test_the_figures_are_median_95th_percentile_and_worst() -> None:
    assert figures([]) == {}
    assert figures([3]) == {"median": 3, "p95": 3, "worst": 3}
    told = figures(list(range(1, 101)))
    assert (told["median"], told["worst"]) == (50.5, 100)
    assert told["p95"] == pytest.approx(95.05)
