"""What the watch over a turn makes of an engine that does not do as it is told."""

from __future__ import annotations

from paid.activities.turn_watch import Guardrails, Look, TurnWatch
from paid.contracts import TurnEnd
from paid.errors import NotFrozenError

RAILS = Guardrails(max_seconds=60, max_tokens=1000, idle_seconds=60, freeze_seconds=3600)


class Engine:
    """Freezes no container before it was asked so often."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.done: list[str] = []

    def pause(self, name: str) -> None:
        self.done.append("pause")
        if self.done.count("pause") <= self.failures:
            raise NotFrozenError("unable to freeze")

    def unpause(self, name: str) -> None:
        self.done.append("unpause")

    def kill(self, name: str) -> None:
        self.done.append("kill")

    def stop(self, name: str, grace_seconds: int = 10) -> None:
        self.done.append("stop")


def test_a_container_that_could_not_be_frozen_is_frozen_at_the_next_look_and_thawed_once() -> None:
    engine = Engine(failures=1)
    watch = TurnWatch(engine, "x", RAILS, _on_hold, lambda: None, lambda: None)
    for _ in range(3):
        watch._act_on(_on_hold())
    assert engine.done == ["pause", "pause"]
    for _ in range(2):
        watch._act_on(Look(cancelled=False, hold=None, tokens_used=0, model_calls=0))
    assert engine.done == ["pause", "pause", "unpause"]
    assert watch.verdict is None


def _on_hold() -> Look:
    return Look(cancelled=False, hold=TurnEnd.BUDGET, tokens_used=0, model_calls=0)
