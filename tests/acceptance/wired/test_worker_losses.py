"""The worker is killed at every boundary of a run's steps (fault 1).

Runs stand still right before or right after the commit that ends a part of a step, each at
another one, when one SIGKILL strikes them all: what was done outside of PostgreSQL is then on
record, or not.
"""

from __future__ import annotations

import asyncio

from paid.models import Run
from paid.temporal import connect
from tests.acceptance.oracle import AGENT, SAID, books_are_right, completed_once
from tests.acceptance.stage import OWNER, Watched
from tests.acceptance.wired.installation import WiredStage
from tests.acceptance.wires import Moment

Boundaries = tuple[tuple[Moment, str], ...]
LATE: Boundaries = (
    ("before", "turn.ended"),
    ("after", "turn.ended"),
    ("after", "verify.ended"),
    ("before", "run.pushed"),
    ("after", "run.pushed"),
    ("before", "run.pull_request"),
    ("after", "run.pull_request"),
    ("after", "run.ended"),
)
"""Behind the agent's work. They come first: runs that have not started yet would keep these waiting
(paid.precedence)."""
EARLY: Boundaries = (
    ("before", "run.workspace"),
    ("after", "run.workspace"),
    ("after", "agent.started"),
    ("after", "step.started"),
)
AT_THE_START: Boundaries = (("before", "agent.started"),)
"""With an agent that asks no model: its bill could not be written down meanwhile."""
CLAIM: Boundaries = (("after", "run.host"),)
"""Nobody else is given a host meanwhile."""
CHECK = ["python3", "-c", "pass"]
ASKS_NOBODY = ["python3", "-c", f"print(*{SAID}, sep='\\n'); open('made.txt', 'w').write('made')"]


def test_runs_go_on_when_their_worker_is_killed_at_any_boundary_of_their_steps(
    wired: WiredStage,
) -> None:
    wired.model.reset()
    asking = wired.watch(agent_command=AGENT, checks=[CHECK])
    silent = wired.watch(agent_command=ASKS_NOBODY, checks=[CHECK])
    numbers = stopped(wired, asking, LATE) + stopped(wired, asking, EARLY)
    others = stopped(wired, silent, AT_THE_START) + stopped(wired, silent, CLAIM)
    wired.worker.kill()
    wired.postgres.let_go()
    wired.worker.start()
    asked = [wired.ended(asking, number) for number in numbers]
    unasked = [wired.ended(silent, number) for number in others]
    completed_once(wired, asking, asked)
    completed_once(wired, silent, unasked)
    books_are_right(wired, asked)
    failures = {message for run in asked for message in asyncio.run(_failures(wired, run))}
    assert "The worker was lost." in failures, "time-outs were waited for"


def stopped(stage: WiredStage, watched: Watched, boundaries: Boundaries) -> list[int]:
    """The issues of new runs, one standing still at each of the boundaries."""
    wanted = len(stage.postgres.stopped) + len(boundaries)
    stage.postgres.stop_at(*boundaries)
    numbers = [
        stage.forge.add_issue(watched.name, "Say hello", "Please.", OWNER) for _ in boundaries
    ]
    for number in numbers:
        stage.forge.add_label(watched.name, number, "paid-build", actor=OWNER)
    stage.until(lambda: len(stage.postgres.stopped) == wanted, f"a stop at each of {boundaries}")
    return numbers


async def _failures(stage: WiredStage, run: Run) -> set[str]:
    """Why the run's activities, or single attempts at them, were followed by others."""
    client = await connect(stage.settings)
    history = await client.get_workflow_handle(run.workflow_id).fetch_history()
    failed = {it.activity_task_failed_event_attributes.failure.message for it in history.events}
    retried = {it.activity_task_started_event_attributes.last_failure.message
               for it in history.events}  # fmt: skip
    return failed | retried
