"""How a turn of the agent ended: who of those that could tell is heard first."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any

from paid.activities.turn_log import TurnLog
from paid.activities.turn_watch import WAITS, Look, TurnWatch
from paid.agents.protocol import Ending, How, Transcript
from paid.containers.contract import Exit
from paid.containers.endings import REMOVED, by_whom, was_ended_from_outside
from paid.containers.image.paid_step.places import DONE, STARTED_BEFORE
from paid.contracts import TurnEnd
from paid.errors import DatabaseError
from paid.store import events, steps
from paid.store.database import Database
from paid.store.steps import StepHold


def how_it_ended(
    transcript: Transcript,
    max_seconds: int,
    log: TurnLog,
    watch: TurnWatch,
    exit: Exit,
    look: Look,
    noted: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[TurnEnd, str]:
    """The end, and a sentence about it.

    Paid's own verdict first, then a hold of the gateway, then what happened to the container, then
    what the agent says of itself. `noted` is the step's report, with the verdict for which an
    attempt that died had stopped the agent.
    """
    if watch.verdict is not None:
        return watch.verdict, watch.message
    if "trouble" in log.reports and "agent_exit" not in log.reports:
        trouble = log.reports["trouble"].get("message", "")
        return TurnEnd.AGENT_ERROR, f"The agent was not started: {trouble}"
    agent_exit = log.reports.get("agent_exit", {})
    ending: Ending = transcript.end(_agent_code(agent_exit, exit))
    if look.hold is not None and ending.how is not How.FINISHED:
        return look.hold, WAITS[look.hold]
    if VERDICT in noted and agent_exit.get("reason") == "stopped":
        return TurnEnd(noted[VERDICT]["end"]), str(noted[VERDICT]["message"])
    if (lost := how_it_was_lost(agent_exit, exit)) and not exit.oom_killed:
        return TurnEnd.INTERRUPTED if ENGINE_AWAY in noted else TurnEnd.LOST, lost
    if agent_exit.get("reason") == "timeout":
        return TurnEnd.TIME_LIMIT, f"The agent ran for {max_seconds} seconds."
    if (exit.oom_killed or agent_exit.get("oom_kills")) and ending.how is not How.FINISHED:
        return TurnEnd.AGENT_ERROR, "The agent needed more memory than its container has."
    return _ENDS[ending.how], ending.message


VERDICT, ENGINE_AWAY = "verdict", "engine_away"
"""What a step's report keeps for the attempts that follow."""


def note_verdict(database: Database, hold: StepHold, end: TurnEnd, message: str) -> None:
    """Put on record why the agent is about to be stopped; an outage does not keep it going."""
    with suppress(DatabaseError), database.session() as session:
        steps.note(session, hold, **{VERDICT: {"end": str(end), "message": message}})


def note_engine_away(database: Database, hold: StepHold) -> None:
    """Put on record that Docker went away under the agent: it may come back without containers."""
    with suppress(DatabaseError), database.session() as session:
        steps.note(session, hold, **{ENGINE_AWAY: True})


def how_it_was_lost(agent_exit: Mapping[str, Any], exit: Exit) -> str:
    """What happened to the container from outside while the agent worked; empty if nothing did.

    paid-step reports the agent's own end; an end of the container without that is none of its.
    """
    if agent_exit.get("reason") == "stopped":
        return (
            "The agent's container was stopped from outside while the agent worked: by"
            " `docker stop`, or by a restart of Docker or of the host."
        )
    if agent_exit:
        return ""
    if exit is REMOVED or exit.code == STARTED_BEFORE:
        return (
            "The agent's container was removed while it worked. Nobody but Paid should remove it."
            " Set the label again."
        )
    if was_ended_from_outside(exit):
        return (
            "The agent's container was killed from outside while the agent worked"
            f" ({by_whom(exit)})."
        )
    return ""


def with_refusal(database: Database, hold: StepHold, message: str) -> str:
    """The agent's last words, and why it was refused a model, which it may not say."""
    with database.session() as session:
        refused = events.newest(session, hold.run_id, "model.refused", hold.started_at)
    reason = "" if refused is None else str(refused.data.get("message", ""))[:400]
    if not reason or reason in message:
        return message
    return f"{message} Its model request was refused: {reason}".strip()


def last_words(turn: int, transcript: Transcript, log: TurnLog) -> dict[int, str]:
    """What the agent said last, under the turn's number; nothing unless it finished."""
    ending = transcript.end(_agent_code(log.reports.get("agent_exit", {}), Exit(DONE)))
    return {turn: ending.message} if ending.how is How.FINISHED else {}


def _agent_code(agent_exit: Mapping[str, Any], exit: Exit) -> int:
    """The agent's exit code as a shell has it: 128 and the signal's number when one ended it.

    Without a report the container's own tells: somebody killed it as a whole.
    """
    if agent_exit.get("signal"):
        return 128 + int(agent_exit["signal"])
    code = agent_exit.get("code")
    return exit.code if code is None else int(code)


_ENDS = {
    How.FINISHED: TurnEnd.FINISHED,
    How.ERROR: TurnEnd.AGENT_ERROR,
    How.LIMIT: TurnEnd.TOKEN_LIMIT,
    How.NEEDS_INPUT: TurnEnd.NEEDS_INPUT,
}
