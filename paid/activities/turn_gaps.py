"""What a turn's container could not take of the worktree, as its last report told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from paid.containers.publishable import Gaps, require_taken
from paid.contracts import TurnEnd, TurnResult
from paid.errors import PaidError, UnpublishableError
from paid.store import runs, steps
from paid.store.database import Database
from paid.store.steps import StepHold

_MOST = 50


def gaps_in(collected: Mapping[str, Any]) -> dict[str, Any]:
    """Of the report `collected`, what is kept with the turn's step."""
    return {
        "repositories": [str(path) for path in collected.get("repositories", [])][:_MOST],
        "submodules": [str(path) for path in collected.get("submodules", [])][:_MOST],
        "left_out": dict(list((collected.get("left_out") or {}).items())[:_MOST]),
    }


def require_small_files(collected: Mapping[str, Any]) -> None:
    """Raise UnpublishableError for files that are larger than GitHub takes, with their names."""
    large = [str(path) for path in collected.get("large", [])]
    if large:
        named = ", ".join(map(repr, large))
        raise UnpublishableError(
            f"Larger than the 100 MiB that GitHub takes in one file: {named}.",
            hint="Label the issue again, and say there where such files belong.",
            for_agent=f"Larger than the 100 MiB that a file may have: {named}. Take it out of every"
            " commit of this branch, and do without it, or make it smaller.",
        )


def require_ended_merges(collected: Mapping[str, Any]) -> None:
    """Raise UnpublishableError for files with the marks of a merge that nobody ended."""
    conflicts = [str(path) for path in collected.get("conflicts", [])]
    if conflicts:
        named = ", ".join(map(repr, conflicts))
        raise UnpublishableError(
            f"A merge was left with its conflicts: {named}.",
            hint="Label the issue again, and say there which side counts.",
            for_agent=f"A merge or rebase was left with its conflicts, and the marks of both sides"
            f" stand in {named}. Decide them, and end it.",
        )


def require_nothing_left(collected: Mapping[str, Any]) -> None:
    """Raise UnpublishableError where all that an agent made lies where no commit can take it.

    A program that begins a project (`cargo new`, `rails new`) makes a repository of its folder.
    """
    require_taken(
        Gaps(tuple(collected.get("repositories", ())), tuple(collected.get("submodules", ())))
    )


def sent_back(
    database: Database, hold: StepHold, tokens: int, digest: str, error: PaidError
) -> TurnResult:
    """A turn whose work could not be taken for what its agent can mend, which is kept for it."""
    with database.session() as session:
        run = runs.get(session, hold.run_id)
        told = str(error.for_agent)
        feedback_id = steps.add_feedback(session, hold.run_id, run.iterations, "publish", told)
        runs.say(session, run, "publish.refused", code=error.code, message=str(error))
    return TurnResult(
        TurnEnd.FINISHED, None, tokens, digest, str(error)[:2000], feedback_id, error.code
    )


def gaps_of(session: Session, run_id: int) -> Gaps:
    """Those of the run's last turn: each collects the whole worktree anew."""
    turns = [step for step in steps.of_run(session, run_id) if step.kind == "agent"]
    found = turns[-1].report.get("gaps", {}) if turns else {}
    return Gaps(
        tuple(found.get("repositories", ())),
        tuple(found.get("submodules", ())),
        dict(found.get("left_out", {})),
    )
