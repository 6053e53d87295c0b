"""Lets the planned blows fall, on what there is at that moment."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress

from paid.chaos.docker_calls import Ambush, Call
from paid.chaos.pauses import Struck
from paid.chaos.plan import AGENT, ENGINE, EVERYTHING, Blow
from paid.chaos.stage import Stage
from paid.errors import ContainerError

Say = Callable[[str], None]


class Striker:
    """Strikes one blow after the other, and keeps what was struck and when."""

    def __init__(self, stage: Stage, say: Say) -> None:
        self._stage, self._say = stage, say
        self.struck: list[Struck] = []
        self.missed_aims = 0
        self.fell_on_nothing = 0
        self.destroyed: dict[int, tuple[str, ...]] = defaultdict(tuple)
        self._lock = threading.Lock()
        self._waiting: Blow | None = None
        self._owed: Blow | None = None
        self._timers: list[threading.Timer] = []

    def strike(self, blow: Blow) -> None:
        """Let a blow fall, or lie in wait until its call comes."""
        if blow.forge is not None:
            self._stage.forge.fail(blow.forge)
        if blow.vendor is not None:
            self._stage.model.fail(blow.vendor)
        if blow.aim is not None:
            self._lie_in_wait(blow)
        else:
            self._owed = blow
            self.strike_what_is_owed()

    def strike_what_is_owed(self) -> None:
        """Try a blow again whose target was not there yet: it was killed a moment ago."""
        blow = self._owed
        if blow is not None and (came := self._fall(blow)):
            self._owed = None
            self._say(f"{blow}: {came}")

    def wait_no_longer(self) -> None:
        """Let the blow that still lies in wait fall, wherever the worker is; or give it up."""
        blow = self._taken()
        self._stage.door.lie_in_wait(None)
        if blow is not None:
            self.missed_aims += 1
            self._say(f"{blow}: its call did not come")
            self._owed = blow
            self.strike_what_is_owed()

    def give_up(self) -> None:
        """No longer owe a blow: the next one is due."""
        if self._owed is not None:
            self.fell_on_nothing += 1
            self._say(f"{self._owed}: what it should hit was not there")
            self._owed = None

    def rest(self) -> None:
        """Wait until nothing is frozen or away any more."""
        self.wait_no_longer()
        self.give_up()
        for timer in self._timers:
            timer.join()

    def release(self) -> None:
        """Let everything go on at once, because the round is broken off."""
        self._taken()
        self._stage.door.lie_in_wait(None)
        for timer in self._timers:
            if timer.is_alive():
                timer.cancel()
                timer.function(*timer.args, **timer.kwargs)

    # --- blows that lie in wait -------------------------------------------------------------------

    def _lie_in_wait(self, blow: Blow) -> None:
        assert blow.aim is not None  # noqa: S101 - asked for only with an aim
        self._waiting = blow
        processes = self._stage.paid.processes

        def strike(call: Call) -> None:
            if self._taken() is None:
                return
            came = self._fall(blow)
            if came:
                self._say(f"{blow}: {came} (run {call.run_id})")
            else:
                self._owed = blow

        self._stage.door.lie_in_wait(
            Ambush(
                blow.aim,
                lambda call: call.pid == processes.pid("worker"),
                strike,
                cuts=blow.target == "worker",
            )
        )
        self._provoke(blow.aim.call)

    def _taken(self) -> Blow | None:
        """The blow that lies in wait, for one thread alone to let it fall."""
        with self._lock:
            blow, self._waiting = self._waiting, None
            return blow

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
        paid.kill_everything()
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
