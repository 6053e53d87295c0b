"""Two attempts at the same step at once, and commits whose answers are lost (faults 3 and 7)."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from paid.takeover import tell_lost
from paid.temporal import connect
from tests.acceptance.oracle import AGENT, books_are_right, completed_once
from tests.acceptance.stage import OWNER
from tests.acceptance.wired.installation import WiredStage
from tests.acceptance.wired.test_worker_losses import CHECK, Boundaries, stopped

STALE: Boundaries = (
    ("after", "step.started"),
    ("after", "turn.ended"),
    ("after", "verify.check"),
    ("after", "verify.ended"),
    ("after", "run.pushed"),
    ("after", "run.pull_request"),
)
COMMITS = (
    "run.requested",
    "run.workspace",
    "agent.started",
    "turn.ended",
    "verify.ended",
    "run.pushed",
    "run.pull_request",
    "run.ended",
    '"seconds": ',  # the gateway reserves
    '"basis": ',  # the gateway settles
)


def test_attempts_that_were_taken_for_dead_wake_up_and_change_nothing(wired: WiredStage) -> None:
    wired.model.reset()
    watched = wired.watch(agent_command=AGENT, checks=[CHECK])
    numbers = stopped(wired, watched, STALE)
    stale = _given_up(wired)
    runs = [wired.ended(watched, number) for number in numbers]
    wired.postgres.go_on()
    wired.until(lambda: not any(note.exists() for note in stale), "the end of the stale attempts")
    completed_once(wired, watched, runs)
    books_are_right(wired, runs)
    for number, run in zip(numbers, runs, strict=True):
        assert wired.run_of(watched, number) == run, "a stale attempt wrote"


def test_a_worker_that_was_frozen_for_too_long_does_nothing_twice(wired: WiredStage) -> None:
    wired.model.reset()
    watched = wired.watch(agent_command=AGENT, checks=[CHECK])
    wired.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = wired.begun(watched)
    wired.saw(run, "agent.message")
    wired.worker.send(signal.SIGSTOP)
    stale = _given_up(wired)
    wired.worker.send(signal.SIGCONT)
    run = wired.ended(watched)
    wired.until(lambda: not any(note.exists() for note in stale), "the end of the stale attempts")
    completed_once(wired, watched, [run])
    books_are_right(wired, [run])


def test_commits_whose_answers_were_lost_are_made_once(wired: WiredStage) -> None:
    wired.model.reset()
    watched = wired.watch(agent_command=AGENT, checks=[CHECK])
    wired.postgres.lose_answers_to(*COMMITS)
    numbers = (1, 2, 3)
    for number in numbers:
        wired.forge.add_label(watched.name, number, "paid-build", actor=OWNER)
    runs = [wired.ended(watched, number) for number in numbers]
    completed_once(wired, watched, runs)
    books_are_right(wired, runs)
    assert sorted(wired.postgres.lost) == sorted(COMMITS)


def _given_up(stage: WiredStage) -> list[Path]:
    """Let Temporal give up every attempt that is open now, as its heartbeat time-out would; answers
    with their notes, which go when they have ended."""
    notes = list((stage.settings.data_dir / "attempts").glob("*"))
    asyncio.run(_give_up(stage, [note.read_bytes() for note in notes]))
    return notes


async def _give_up(stage: WiredStage, tokens: list[bytes]) -> None:
    client = await connect(stage.settings)
    for token in tokens:
        await tell_lost(client, token)
