"""Work that is begun before it is asked for."""

from __future__ import annotations

import threading

import pytest

from paid.activities.background import Background


@pytest.fixture
def background() -> Background:
    return Background(threads=1)


def test_what_was_begun_is_not_done_again(background: Background) -> None:
    begun = threading.Event()

    def work() -> str:
        begun.set()
        return "begun"

    background.begin(1, "fetch", work)
    begun.wait(10)

    assert background.outcome(1, "fetch", lambda: "done again") == "begun"


def test_what_was_not_begun_is_done_when_it_is_asked_for(background: Background) -> None:
    background.begin(1, "fetch", lambda: "of run 1")

    assert background.outcome(2, "fetch", lambda: "of run 2") == "of run 2"


def test_who_asks_does_not_wait_for_work_that_has_no_thread_yet(background: Background) -> None:
    others = threading.Event()
    background.begin(1, "fetch", others.wait)
    background.begin(2, "fetch", lambda: "behind run 1")

    assert background.outcome(2, "fetch", lambda: "at once") == "at once"
    others.set()


def test_an_error_is_handed_out_once_and_then_it_is_tried_again(background: Background) -> None:
    failed = threading.Event()

    def fail() -> str:
        failed.set()
        raise ConnectionError("away")

    background.begin(1, "fetch", fail)
    failed.wait(10)
    with pytest.raises(ConnectionError):
        background.outcome(1, "fetch", lambda: "now")

    assert background.outcome(1, "fetch", lambda: "now") == "now"


def test_a_run_is_cleaned_up_only_behind_what_was_begun_for_it(background: Background) -> None:
    began, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        go_on.wait(10)
        done.set()

    background.begin(1, "fetch", work)
    began.wait(10)
    threading.Timer(0.1, go_on.set).start()

    background.settle(1)

    assert done.is_set()


def test_who_waits_sees_the_end_of_what_another_does_itself(background: Background) -> None:
    others, began, go_on = threading.Event(), threading.Event(), threading.Event()
    background.begin(1, "fetch", others.wait)  # the only thread is taken
    background.begin(2, "fetch", lambda: "behind run 1")

    def work() -> str:
        began.set()
        go_on.wait(10)
        return "done"

    doing = threading.Thread(target=background.outcome, args=(2, "fetch", work))
    doing.start()
    began.wait(10)
    background.wait(2, "fetch", 0.1)
    assert doing.is_alive()
    threading.Timer(0.1, go_on.set).start()
    background.wait(2, "fetch", 10)
    assert go_on.is_set()
    doing.join(10)
    others.set()


def test_nobody_waits_for_what_was_not_begun(background: Background) -> None:
    background.wait(1, "fetch", 600)


def test_what_nobody_asks_for_is_forgotten_in_the_end() -> None:
    background = Background(threads=1, most_kept=3)
    for run_id in range(5):
        background.begin(run_id, "fetch", lambda: "done")
        background.wait(run_id, "fetch", 10)

    asked = [background.outcome(run_id, "fetch", lambda: "anew") for run_id in range(5)]
    assert asked == ["anew"] * 4 + ["done"]


def test_what_was_begun_too_long_ago_is_done_anew(background: Background) -> None:
    background.begin(1, "fetch", lambda: "old")
    background.wait(1, "fetch", 10)

    assert background.outcome(1, "fetch", lambda: "new", within=0) == "new"
