"""Lets the planned blows fall, on what there is at that moment."""

from __future__ import annotations

import re
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

AIM_SECONDS = 12.0
"""So long an aimed blow waits for its call; then it falls all the same, wherever the worker is."""
_RUN = re.compile(r"^paid-run-(\d+)-")


class Striker:
    """Strikes one blow after the other, and keeps what was struck and when."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.struck: list[Struck] = []
        self.missed_aims = 0
        self.fell_on_nothing = 0
        self.destroyed: dict[int, tuple[str, ...]] = defaultdict(tuple)
        self._timers: list[threading.Timer] = []

    def strike(self, blow: Blow) -> str:
        """Let a blow fall, or lie in wait until its call comes; returns what came of it."""
        self._faults(blow)
        if blow.aim is not None:
            return self._aimed(blow)
        return self._fall(blow)

    def rest(self) -> None:
        """Wait until nothing is frozen or away any more."""
        self._stage.door.lie_in_wait(None)
        for timer in self._timers:
            timer.join()

    def release(self) -> None:
        """Let everything go on at once, because the round is broken off."""
        self._stage.door.lie_in_wait(None)
        for timer in self._timers:
            if timer.is_alive():
                timer.cancel()
                timer.function(*timer.args, **timer.kwargs)

    def _faults(self, blow: Blow) -> None:
        if blow.forge is not None:
            self._stage.forge.fail(blow.forge)
        if blow.vendor is not None:
            self._stage.model.fail(blow.vendor)

    def _aimed(self, blow: Blow) -> str:
        assert blow.aim is not None  # noqa: S101 - asked for only with an aim
        fell = threading.Event()
        told: list[str] = []

        def strike(call: Call) -> None:
            told.append(f"{self._fall(blow)} (run {call.run_id})")
            fell.set()

        processes, door = self._stage.paid.processes, self._stage.door
        door.lie_in_wait(
            Ambush(
                blow.aim, lambda call: call.pid == processes.pid("worker"), strike,
                cuts=blow.target == "worker",
            )
        )  # fmt: skip
        if fell.wait(AIM_SECONDS):
            return told[0]
        door.lie_in_wait(None)
        if fell.wait(0.5):  # it came at the last moment
            return told[0]
        self.missed_aims += 1
        return f"{self._fall(blow)}; its call did not come within {AIM_SECONDS:g} s"

    def _fall(self, blow: Blow) -> str:
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
            return self._nothing(f"{blow.target} is not there just now")
        self._note(blow, at, at)
        return "killed"

    def _freeze(self, blow: Blow) -> str:
        processes, at = self._stage.paid.processes, time.time()
        family = processes.freeze(blow.target)
        if not family:
            return self._nothing(f"{blow.target} is not there just now")
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
        there = [it for it in engine.owned() if it.step == kind and it.state == "running"]
        if not there:
            return self._nothing("there is none just now")
        chosen = sorted(there, key=lambda it: it.name)[int(blow.pick * len(there))]
        at = time.time()
        try:
            if blow.deed == "pause":
                engine.pause(chosen.name)
                self._later(blow, at, lambda: engine.unpause(chosen.name))
                return f"paused {chosen.name}"
            (engine.remove if blow.deed == "remove" else engine.kill)(chosen.name)
        except ContainerError as error:
            return self._nothing(f"{chosen.name}: {error}")
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

    def _nothing(self, reason: str) -> str:
        self.fell_on_nothing += 1
        return f"fell on nothing: {reason}"
