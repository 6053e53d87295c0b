"""Takes a turn's work out of its workspace, and into the mirror."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paid.activities.commit_words import left_over, message_rules, rules_of, summaries
from paid.activities.parts import Host
from paid.activities.turn_end import last_words
from paid.activities.turn_gaps import (
    require_ended_merges,
    require_nothing_left,
    require_small_files,
)
from paid.activities.turn_log import TurnLog
from paid.activities.turn_state import TurnState
from paid.containers.steps import run_step
from paid.containers.task import Task
from paid.contracts import TurnEnd
from paid.errors import ContainerError

MAX_BUNDLE_BYTES = 512 * 1024 * 1024
COLLECT_SECONDS = 300
COLLECTED = "collected"
"""paid-step's last report of a turn: the agent's processes are dead, its commits bundled. The
container's end behind it takes a tenth of a second, and tells nothing more."""


class TurnWork:
    """The commits of turns on one host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def left(self, turn: TurnState, end: TurnEnd) -> Mapping[str, Any]:
        """What a killed agent left; where somebody removed its container, that may be nothing."""
        try:
            return self._collect(turn)
        except ContainerError as error:
            if error.retryable or end not in (TurnEnd.LOST, TurnEnd.INTERRUPTED):
                raise
            return {}

    def _collect(self, turn: TurnState) -> Mapping[str, Any]:
        """Take what a killed agent left, in a container of its own."""
        given = turn.given
        task = Task(
            mode="collect",
            branch=turn.workspace.branch,
            base_sha=turn.workspace.base_sha,
            commit_message=left_over(turn.facts, given.turn),
        )
        spec = self._host.spec(
            turn.facts, "collect", given.turn, task, volume=turn.workspace.volume
        )
        return run_step(self._host.engine, spec, COLLECT_SECONDS).fields(COLLECTED) or {}

    def bring_in(self, turn: TurnState, log: TurnLog, collected: Mapping[str, Any]) -> str | None:
        """Bring the commits into the mirror, as they may be published; None without a change.

        Commits that change nothing, or take back what others of them changed, are no change.
        """
        require_small_files(collected)
        require_ended_merges(collected)
        if not collected.get("head"):
            require_nothing_left(collected)
            return None
        given, host = turn.given, self._host
        into = host.run_folder(given.run_id) / f"turn-{given.turn}.bundle"
        branch, base_sha = turn.workspace.branch, turn.workspace.base_sha
        said = summaries(host.database, given.run_id) if given.turn > 1 else {}
        bundle = host.workspaces.bundle(given.run_id, turn.name, into, MAX_BUNDLE_BYTES)
        work = host.mirrors.take_work(
            turn.hold.project_id,
            given.run_id,
            bundle,
            branch,
            base_sha,
            rules_of(
                turn.facts,
                said | last_words(given.turn, turn.transcript, log),
                message_rules(host.database, given.run_id),
            ),
        )
        return work.head if work.is_change else None
