"""Who is heard first about the end of a turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from paid.activities.turn_end import how_it_ended
from paid.activities.turn_log import TurnLog
from paid.activities.turn_watch import Look, TurnWatch
from paid.agents import registry
from paid.containers.contract import Exit
from paid.containers.image.paid_step.places import REPOSITORY_TROUBLE
from paid.contracts import TurnEnd


def ended(reports: dict[str, dict[str, Any]], exit: Exit) -> tuple[TurnEnd, str]:
    """The end of a turn of which nothing but these reports and the exit is known."""
    log = cast(TurnLog, SimpleNamespace(reports=reports))
    watch = cast(TurnWatch, SimpleNamespace(verdict=None, message=""))
    transcript = registry.get("command").transcript()
    return how_it_ended(transcript, 60, log, watch, exit, Look(False, None, 0, 0))


def test_a_trouble_of_git_before_the_agent_is_what_the_run_says() -> None:
    """It was "exit code 98 and said nothing"."""
    trouble = {"trouble": {"message": "git update-ref ended with 128: cannot lock ref"}}
    end, message = ended(trouble, Exit(REPOSITORY_TROUBLE))
    assert end is TurnEnd.AGENT_ERROR
    assert message == ("The agent was not started: git update-ref ended with 128: cannot lock ref")


def test_a_trouble_behind_the_agents_own_end_is_not_the_agents() -> None:
    reports: dict[str, dict[str, Any]] = {
        "agent_exit": {"code": 0, "reason": "exited"},
        "trouble": {"message": "git add ended with 128"},
    }
    assert "not started" not in ended(reports, Exit(REPOSITORY_TROUBLE))[1]
