"""A turn is heard of until its very end."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

from temporalio.testing import ActivityEnvironment

from paid.activities.agent import AgentActivities
from paid.activities.background import Background
from paid.containers.contract import Exit
from paid.contracts import TurnEnd, TurnInput, TurnResult, Workspace
from tests.waiting import HANGS_SECONDS


class SlowWork:
    """Work that is collected until somebody hears a heartbeat; there is nothing in it."""

    def __init__(self, heard: threading.Event) -> None:
        self.heard = heard

    def left(self, _turn: Any, _end: TurnEnd) -> dict[str, Any]:
        assert self.heard.wait(HANGS_SECONDS), "no heartbeat while the commits were collected"
        return {}

    def bring_in(self, _turn: Any, _log: Any, _collected: Any) -> None:
        return None


class Killed(AgentActivities):
    """A turn whose agent was killed; whose work is slow to collect."""

    def __init__(self, heard: threading.Event) -> None:
        super().__init__(cast(Any, SimpleNamespace(background=Background())))
        self._work = cast(Any, SlowWork(heard))

    def _begin(self, given: TurnInput, workspace: Workspace) -> Any:
        hold = SimpleNamespace(report={})
        return SimpleNamespace(
            given=given, workspace=workspace, name="agent", transcript=None, hold=hold
        )

    def _started_and_followed(self, turn: Any) -> Any:
        watch = SimpleNamespace(
            detached=False, cancelled=False, verdict=TurnEnd.TIME_LIMIT, message="too long"
        )
        return SimpleNamespace(reports={}, digest="digest"), watch

    def _give_way(self, turn: Any) -> None:
        return None

    def _exit(self, turn: Any, log: Any) -> Exit:
        return Exit(137)

    def _look(self, turn: Any) -> Any:
        return SimpleNamespace(hold=TurnEnd.BUDGET, cancelled=False, tokens_used=0)

    def _end(self, turn: Any, exit: Exit, result: TurnResult) -> None:
        return None


def test_a_turn_beats_while_its_commits_are_collected() -> None:
    """That may take five minutes, and Temporal gives it to somebody else after one of silence."""
    heard, environment = threading.Event(), ActivityEnvironment()
    environment.on_heartbeat = lambda *_: heard.set()
    given = TurnInput(1, 1, 1, Workspace(1, "volume", "b" * 40, "branch"))
    result = environment.run(Killed(heard).run_agent, given)
    assert result.end is TurnEnd.TIME_LIMIT
