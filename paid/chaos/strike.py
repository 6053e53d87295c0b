"""Lets the planned blows fall, on what there is at that moment."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from paid.chaos.docker_calls import Ambush, Call
from paid.chaos.pauses import Struck
from paid.chaos.plan import AGENT, ENGINE, EVERYTHING, Aim, Blow
from paid.chaos.stage import Stage
from paid.errors import ContainerError

Say = Callable[[str], None]


class Striker:
    """Strikes one blow after the other, and keeps what was struck and when.

    Some blows wait: for a call to Docker, for `patience_seconds` at most, while others fall; or for
    a target that is not there yet, because it was killed a moment ago.
    """

    def __init__(self, stage: Stage, patience_seconds: float, say: Say) -> None:
        self._stage, self._patience_seconds, self._say = stage, patience_seconds, say
        self.struck: list[Struck] = []
        self.missed_aims = 0
        self.fell_on_nothing = 0
        self.destroyed: dict[int, tuple[str, ...]] = defaultdict(tuple)
        self._waiting: list[tuple[float, Blow, Ambush]] = []
        self._owed: list[tuple[float, Blow]] = []
        self._timers: list[threading.Timer] = []

    def strike(self, blow: Blow) -> None:
        """Let a blow fall, or lie in wait until its call comes."""
        if blow.forge is not None:
            self._stage.forge.fail(blow.forge)
        if blow.vendor is not None:
            self._stage.model.fail(blow.vendor)
        if blow.aim is not None:
            self._lie_in_wait(blow, blow.aim)
        else:
            self._try(blow, time.monotonic() + self._patience_seconds)

    def look(self) -> None:
        """Strike what is owed, and what has waited for its call too long."""
        for waiting in list(self._waiting):
            due, blow, ambush = waiting
            if not self._stage.door.waits(ambush):
                self._waiting.remove(waiting)
            elif due < time.monotonic():
                self._waiting.remove(waiting)
                if self._stage.door.leave(ambush):
                    self.missed_aims += 1
                    self._say(f"{blow}: its call did not come")
                    self._try(blow, time.monotonic() + self._patience_seconds)
        owed, self._owed = self._owed, []
        for due, blow in owed:
            self._try(blow, due)

    def busy(self) -> bool:
        """Whether something still waits, is frozen or is away."""
        return bool(self._waiting or self._owed) or any(it.is_alive() for it in self._timers)

    def release(self) -> None:
        """Let everything go on at once, because the round is broken off; no effect at its end."""
        for _, _, ambush in self._waiting:
            self._stage.door.leave(ambush)
        for timer in self._timers:
            if timer.is_alive():
                timer.cancel()
                timer.function(*timer.args, **timer.kwargs)

    def _try(self, blow: Blow, due: float) -> None:
        """Let it fall; a blow whose target is not there is owed until it is due."""
        if came := self._fall(blow):
            self._say(f"{blow}: {came}")
        elif time.monotonic() < due:
            self._owed.append((due, blow))
        else:
            self.fell_on_nothing += 1
            self._say(f"{blow}: what it should hit was not there")

    def _lie_in_wait(self, blow: Blow, aim: Aim) -> None:
        processes, due = self._stage.paid.processes, time.monotonic() + self._patience_seconds

        def strike(_call: Call) -> None:
            self._try(blow, due)

        ambush = Ambush(
            aim,
            lambda call: call.pid == processes.pid("worker"),
            strike,
            cuts=blow.target == "worker",
        )
        self._say(f"{blow}: waits")
        self._waiting.append((due, blow, ambush))
        self._stage.door.lie_in_wait(ambush)
        self._provoke(aim.call)

    def _provoke(self, call: str) -> None:
        """Bring about a call that comes rarely by itself: a base is prepared for a new commit, and
        overlays are tried once in a worker's life."""
        if call.endswith(("probe", "try-volume")):
            self._stage.paid.processes.kill("worker")
        if call.endswith(("probe", "try-volume", "base")):
            self._stage.label_one(new_base=True)

    # --- each kind of blow ------------------------------------------------------------------------

    def _fall(self, blow: Blow) -> str:
        """What came of it; empty when its target is not there."""
        if blow.target == EVERYTHING:
            return self._everything(blow)
        if blow.target == ENGINE:
            return self._engine_away(blow)
        if "container" in blow.target:
            return self._container(blow)
        if blow.deed == "freeze":
            return self._freeze(blow)
        at = time.time()
        if not self._stage.paid.processes.kill(blow.target):
            return ""
        self._note(blow, at, at)
        return "killed"

    def _freeze(self, blow: Blow) -> str:
        processes, at = self._stage.paid.processes, time.time()
        family = processes.freeze(blow.target)
        if not family:
            return ""
        self._later(blow, at, lambda: processes.thaw(family))
        return "frozen"

    def _everything(self, blow: Blow) -> str:
        paid, at = self._stage.paid, time.time()
        if not paid.kill_everything():  # an earlier blow like this one starts it again
            return ""
        self._later(blow, at, paid.start)
        return "killed"

    def _engine_away(self, blow: Blow) -> str:
        door, at = self._stage.door, time.time()
        door.shut()
        self._later(blow, at, door.open)
        return "away"

    def _container(self, blow: Blow) -> str:
        kind, engine = "agent" if blow.target == AGENT else "verify", self._stage.engine
        there = [it for it in engine.owned() if it.kind == kind and it.state == "running"]
        if not there:
            return ""
        chosen = sorted(there, key=lambda it: it.name)[int(blow.pick * len(there))]
        at = time.time()
        try:
            if blow.deed == "pause":
                engine.pause(chosen.name)
                self._later(blow, at, lambda: engine.unpause(chosen.name))
                return f"paused {chosen.name}"
            (engine.remove if blow.deed == "remove" else engine.kill)(chosen.name)
        except ContainerError:  # it has ended at this very moment
            return ""
        self.destroyed[chosen.run_id] += (chosen.name,)
        self._note(blow, at, at)
        return f"destroyed {chosen.name}"

    def _later(self, blow: Blow, at: float, undo: Callable[[], object]) -> None:
        self._note(blow, at, at + blow.seconds)

        def end() -> None:
            with suppress(ContainerError, OSError):
                undo()

        timer = threading.Timer(blow.seconds, end)
        self._timers = [timer for timer in self._timers if timer.is_alive()]
        self._timers.append(timer)
        timer.start()

    def _note(self, blow: Blow, at: float, until: float) -> None:
        self.struck.append(Struck(blow.kind, at, until))
