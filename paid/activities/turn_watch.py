"""Watches one turn of the agent from beside it: heartbeats, cancel, pauses and limits.

The turn's own thread reads the container's log and may wait there for minutes, so everything that
must happen meanwhile happens here, on a thread of its own.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from temporalio import activity

from paid.activities.heartbeat import cancel_was_requested
from paid.contracts import TurnEnd
from paid.errors import NotFrozenError, PaidError

TICK_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""How often PostgreSQL is asked for cancels, holds and tokens; heartbeats ride along."""
STOP_GRACE_SECONDS = 10
WAITS = {
    TurnEnd.BUDGET: "The run waits for its budget; its workspace is kept.",
    TurnEnd.QUOTA: "The run waits for its model vendor's limit to reset; its workspace is kept.",
}
"""What is said of a turn that a hold has ended."""


class Container(Protocol):
    """What the watch needs of the engine; names are container names."""

    def pause(self, name: str) -> None: ...
    def unpause(self, name: str) -> None: ...
    def kill(self, name: str) -> None: ...
    def stop(self, name: str, grace_seconds: int = STOP_GRACE_SECONDS) -> None: ...


@dataclass(frozen=True)
class Look:
    """What PostgreSQL said about the run: is it cancelled, on hold, how many tokens so far."""

    cancelled: bool
    hold: TurnEnd | None
    tokens_used: int
    model_calls: int


@dataclass(frozen=True)
class Guardrails:
    """The limits of one turn."""

    max_seconds: float
    max_tokens: int
    idle_seconds: float
    freeze_seconds: float
    """How long a frozen container waits for money before it is freed."""
    elapsed_seconds: float = 0
    """What the turn has run already under an attempt that died."""
    is_frozen: bool = False
    """Whether that attempt has frozen the container."""


class TurnWatch:
    """A thread that ends the turn when it must end; used as a context manager around the reading.

    Args:
        look: asks PostgreSQL; may raise PaidError, which only delays the next look.
        tick: called often, from this thread, so that output is stored while the agent is silent.
        let_go: closes the log's stream, so that the reading thread comes back at once.
        note: puts a verdict on record before the container is stopped for it.
    """

    def __init__(
        self,
        engine: Container,
        name: str,
        guardrails: Guardrails,
        look: Callable[[], Look],
        tick: Callable[[], None],
        let_go: Callable[[], None],
        note: Callable[[TurnEnd, str], None] = lambda _verdict, _message: None,
    ) -> None:
        self._engine, self._name, self._rails = engine, name, guardrails
        self._look, self._tick, self._let_go, self._note = look, tick, let_go, note
        self._done = threading.Event()
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._watch,), name=f"watch-{name}", daemon=True
        )
        self._active_at = time.monotonic()
        self._began = self._active_at - guardrails.elapsed_seconds
        self._frozen_at = self._active_at if guardrails.is_frozen else None
        self._frozen_seconds = 0.0
        self._calls = 0
        self._agent_has_ended = False
        self._waits = False
        self._error: Exception | None = None
        self.verdict: TurnEnd | None = None
        self.message = ""
        self.cancelled = False
        self.detached = False
        self.tokens_used = 0

    def __enter__(self) -> TurnWatch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        if error is None and self._error is not None:
            raise self._error

    def saw_output(self) -> None:
        """The agent said something, so it is not idle."""
        self._active_at = time.monotonic()

    def waits(self, does: bool) -> None:
        """The agent waits for the gateway, or does so no more: its silence is no idleness."""
        self._waits = does
        self.saw_output()

    def agent_has_ended(self) -> None:
        """Its commits are being taken: it spends nothing more, and a cancel comes by Temporal."""
        self._agent_has_ended = True

    def end(self, verdict: TurnEnd, message: str) -> None:
        """End the turn for a reason that the reader found, such as a loop."""
        if self.verdict is None:
            self.verdict, self.message = verdict, message
            self._note(verdict, message)
            self._thaw()
            self._engine.stop(self._name, STOP_GRACE_SECONDS)

    def _watch(self) -> None:
        # What must be known at once is known: the run was not cancelled when its turn began.
        next_look = time.monotonic() + LOOK_SECONDS
        try:
            while not self._done.wait(TICK_SECONDS):
                self._tick()
                if self._told_to_stop():
                    return
                if time.monotonic() >= next_look:
                    next_look = time.monotonic() + LOOK_SECONDS
                    activity.heartbeat()
                    self._act_on(self._looked())
        except Exception as error:
            self._error = error
            self._let_go()

    def _told_to_stop(self) -> bool:
        """Kill on a person's cancel; on any other ending of this attempt leave the agent alone."""
        if not activity.is_cancelled():
            return False
        if cancel_was_requested():
            self._kill()
        else:
            self.detached = True
            self._let_go()
        return True

    def _looked(self) -> Look | None:
        if self._agent_has_ended:
            return Look(False, None, self.tokens_used, self._calls)
        try:
            return self._look()
        except PaidError as error:
            if not error.retryable:
                raise
            return None

    def _act_on(self, look: Look | None) -> None:
        if look is None or self.verdict is not None:
            return
        self.tokens_used = look.tokens_used
        if look.model_calls != self._calls:
            self._calls = look.model_calls
            self.saw_output()
        if look.cancelled:
            self._kill()
        elif look.hold is TurnEnd.QUOTA:
            # the vendor has refused the request already: nothing in the container is worth keeping
            self.end(look.hold, WAITS[look.hold])
        elif look.hold is not None:
            self._freeze(look.hold)
        else:
            self._thaw()
            self._check_limits()

    def _check_limits(self) -> None:
        now, rails = time.monotonic(), self._rails
        if now - self._began - self._frozen_seconds > rails.max_seconds:
            self.end(TurnEnd.TIME_LIMIT, f"The agent ran for {rails.max_seconds:.0f} seconds.")
        elif self.tokens_used >= rails.max_tokens:
            self.end(TurnEnd.TOKEN_LIMIT, f"The run used {self.tokens_used:,} tokens.")
        elif now - self._active_at > rails.idle_seconds and not self._waits:
            message = f"The agent was silent for {rails.idle_seconds:.0f} seconds."
            self.end(TurnEnd.TIME_LIMIT, message)

    def _freeze(self, reason: TurnEnd) -> None:
        if self._frozen_at is None:
            with suppress(NotFrozenError):  # the next look tries again, if money is still wanting
                self._engine.pause(self._name)
                self._frozen_at = time.monotonic()
        elif time.monotonic() - self._frozen_at > self._rails.freeze_seconds:
            self.end(reason, WAITS[reason])

    def _thaw(self) -> None:
        if self._frozen_at is not None:
            frozen = time.monotonic() - self._frozen_at
            self._frozen_seconds += frozen
            self._active_at += frozen
            self._frozen_at = None
            self._engine.unpause(self._name)

    def _kill(self) -> None:
        self.cancelled = True
        self._thaw()
        self._engine.kill(self._name)
