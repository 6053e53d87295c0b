"""What a turn's container could not take, as it is kept for the agent and for the pull request."""

from __future__ import annotations

import pytest

from paid.activities.turn_gaps import (
    gaps_in,
    gaps_of,
    require_ended_merges,
    require_nothing_left,
    require_small_files,
    sent_back,
)
from paid.containers.publishable import Gaps
from paid.errors import UnpublishableError
from paid.models import Feedback
from paid.store import events, steps
from paid.store.database import Database
from tests.store.rows import make_run


def test_a_file_that_is_too_large_goes_back_to_the_agent_by_its_name(database: Database) -> None:
    run_id = make_run(database)
    with database.session() as session:
        hold = steps.begin(session, run_id, 1, "agent", 1, "container")
    with pytest.raises(UnpublishableError, match=r"a b\.bin") as large:
        require_small_files({"large": ["a b.bin"]})
    turn = sent_back(database, hold, 5, "digest", large.value)
    assert (turn.head_sha, turn.code, turn.tokens_used) == (None, "unpublishable", 5)
    with database.session() as session:
        assert "a b.bin" in session.get_one(Feedback, turn.feedback_id).text
        assert events.of_kind(session, run_id, "publish.refused")


def test_a_report_without_gaps_hinders_nothing() -> None:
    require_small_files({})
    assert gaps_in({"head": "x"}) == {"repositories": [], "submodules": [], "left_out": {}}


def test_the_last_turns_gaps_count(database: Database) -> None:
    run_id = make_run(database)
    for number, report in enumerate([{"repositories": ["a"]}, {"left_out": {".venv": 2}}], 1):
        with database.session() as session:
            hold = steps.begin(session, run_id, 1, "agent", number, "container")
            steps.note(session, hold, gaps=gaps_in(report))
    with database.session() as session:
        assert gaps_of(session, run_id) == Gaps(left_out={".venv": 2})


def test_work_that_lies_in_a_repository_of_its_own_is_not_nothing() -> None:
    """`cargo new app` begins a repository in `app`: the run ended as one without a change."""
    require_nothing_left({"head": None, "left_out": {".venv": 3}})
    for left in ({"repositories": ["app"]}, {"submodules": ["app"]}):
        with pytest.raises(UnpublishableError, match="'app'") as told:
            require_nothing_left({"head": None, **left})
        assert told.value.for_agent


def test_a_merge_that_nobody_ended_goes_back_to_the_agent() -> None:
    require_ended_merges({"head": "x", "conflicts": []})
    with pytest.raises(UnpublishableError, match=r"'a\.py'") as told:
        require_ended_merges({"head": "x", "conflicts": ["a.py"]})
    assert "Decide them" in str(told.value.for_agent)
