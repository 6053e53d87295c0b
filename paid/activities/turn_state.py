"""One attempt at a turn of the agent: what it was given and what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from paid.activities.gateway_wait import GatewayWait
from paid.agents.protocol import Transcript
from paid.contracts import TurnInput, Workspace
from paid.store.runs import RunFacts
from paid.store.steps import StepHold


@dataclass
class TurnState:
    """One attempt at a turn: what it was given and what it holds."""

    given: TurnInput
    workspace: Workspace
    facts: RunFacts
    hold: StepHold
    name: str
    transcript: Transcript
    wait: GatewayWait
    is_removed: bool = False
    gaps: Mapping[str, Any] = field(default_factory=dict)
    """What its container could not take of the worktree (`turn_gaps`)."""
