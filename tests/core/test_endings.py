"""How a container's end is read: its exit, its signed reports, and nothing that an agent says."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from paid.activities.turn_end import how_it_ended, how_it_was_lost
from paid.activities.turn_watch import Look
from paid.agents import registry
from paid.containers.contract import Exit
from paid.containers.endings import REMOVED, error_of
from paid.containers.image.paid_step.places import (
    DONE,
    GATEWAY_AWAY,
    NOT_TIGHT,
    REPOSITORY_TROUBLE,
    STARTED_BEFORE,
)
from paid.contracts import TurnEnd
from paid.errors import (
    ContainerError,
    ContainerKilledError,
    GatewayAwayError,
    OutOfMemoryError,
    SandboxNotTightError,
)

TROUBLE = {"trouble": {"message": "The gateway does not answer: timed out."}}


@pytest.mark.parametrize(
    ("exit", "reports", "kind", "words"),
    [
        (Exit(NOT_TIGHT), {"probe": {"openings": ["CapEff is 1"]}}, SandboxNotTightError, "CapEff"),
        (Exit(GATEWAY_AWAY), TROUBLE, GatewayAwayError, "timed out"),
        (Exit(GATEWAY_AWAY), {}, GatewayAwayError, "does not answer"),
        (Exit(REPOSITORY_TROUBLE), {"trouble": {"message": "no base"}}, ContainerError, "no base"),
        (Exit(137), {}, ContainerKilledError, "docker kill"),
        (Exit(143), {}, ContainerKilledError, "killed from outside"),
        (Exit(255), {}, ContainerKilledError, "started again"),
        (REMOVED, {}, ContainerKilledError, "removed"),
        (Exit(137, oom_killed=True), {}, OutOfMemoryError, "memory"),
        (Exit(1), {}, ContainerError, "the last line"),
    ],
)
def test_a_bad_end_is_told_by_its_cause(
    exit: Exit, reports: dict[str, Any], kind: type[ContainerError], words: str
) -> None:
    error = error_of("paid-run-1-verify-1", exit, reports, ["the last line"])
    assert type(error) is kind
    assert words in str(error)
    assert error.retryable == (kind in (GatewayAwayError, ContainerKilledError))


def test_a_container_that_has_done_its_work_has_no_error() -> None:
    assert error_of("x", Exit(DONE), {}) is None


@pytest.mark.parametrize(
    ("agent_exit", "exit", "words"),
    [
        ({}, Exit(137), "killed from outside"),
        ({}, Exit(255), "started again"),
        ({}, REMOVED, "removed"),
        ({}, Exit(STARTED_BEFORE), "removed"),
        ({"reason": "stopped", "signal": 15}, Exit(DONE), "stopped from outside"),
        ({"reason": "exited", "code": 137}, Exit(DONE), ""),
        ({"reason": "exited", "signal": 9}, Exit(DONE), ""),
        ({"reason": "exited", "code": 0}, Exit(137), ""),
        ({}, Exit(1), ""),
    ],
)
def test_an_agents_own_end_is_no_blow_from_outside(
    agent_exit: dict[str, Any], exit: Exit, words: str
) -> None:
    """An agent may end with 137 by itself, which paid-step reports; the container may not."""
    lost = how_it_was_lost(agent_exit, exit)
    assert words in lost
    assert bool(words) == bool(lost)


def test_an_agent_that_a_killed_worker_had_stopped_ends_for_that_workers_reason() -> None:
    log = SimpleNamespace(reports={"agent_exit": {"reason": "stopped", "signal": 15}})
    watch = SimpleNamespace(verdict=None)
    look = Look(cancelled=False, hold=None, tokens_used=9, model_calls=1)
    transcript = registry.get("codex").transcript()
    noted = {"verdict": {"end": "token_limit", "message": "The run used 9 tokens."}}

    def ended(noted: dict[str, Any]) -> tuple[TurnEnd, str]:
        return how_it_ended(transcript, 60, log, watch, Exit(DONE), look, noted)  # type: ignore[arg-type]

    assert ended(noted) == (TurnEnd.TOKEN_LIMIT, "The run used 9 tokens.")
    assert ended({})[0] is TurnEnd.LOST
