"""How blows fall that meet an earlier one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from paid.chaos.installation import Installation
from paid.chaos.plan import EVERYTHING, Blow
from paid.chaos.strike import Striker


def test_an_installation_that_is_down_is_neither_killed_nor_started_twice(tmp_path: Path) -> None:
    """Two starts of one data folder: the second ends by itself, and looks like a loss."""
    paid = Installation(tmp_path / "data", {})
    assert not paid.kill_everything()
    striker = Striker(cast(Any, SimpleNamespace(paid=paid)), 60.0, lambda _: None)
    striker.strike(Blow(1, "kill", EVERYTHING, 0.01))
    assert striker.struck == []
    assert striker.busy()  # it is owed, for as long as a blow waits for its target
    assert striker.fell_on_nothing == 0
