"""The plan of blows is a pure function of the seed, and leaves no kind of blow out."""

from __future__ import annotations

import re

import pytest

from paid.chaos.__main__ import main
from paid.chaos.plan import CALLS, EVERYTHING, PROCESSES, Blow, plan
from paid.chaos.program import TASK
from paid.chaos.tasks import AGENT_COMMAND, task


def test_the_same_seed_gives_the_same_blows_and_another_one_others() -> None:
    assert plan(5, 80) == plan(5, 80)
    assert plan(5, 80) != plan(6, 80)


def test_more_blows_only_go_on_where_fewer_end() -> None:
    assert plan(5, 300)[:40] == plan(5, 40)


def test_a_long_round_has_every_kind_of_blow() -> None:
    blows = plan(1, 300)
    assert {blow.target for blow in blows if blow.deed == "kill" and not blow.aim} >= {
        *PROCESSES,
        EVERYTHING,
    }
    assert {blow.target for blow in blows if blow.deed == "freeze"} >= set(PROCESSES)
    aims = {(blow.aim.call, blow.aim.moment) for blow in blows if blow.aim}
    assert aims >= {(call, moment) for call in CALLS for moment in ("before", "after")}
    hurt = {(blow.deed, blow.target) for blow in blows if "container" in blow.target}
    assert len(hurt) == 6
    assert any(blow.forge for blow in blows)
    assert any(blow.vendor for blow in blows)


def test_what_lasts_says_for_how_long_and_nothing_else_does() -> None:
    def lasts(blow: Blow) -> bool:
        return blow.deed in ("freeze", "pause", "away") or blow.target == EVERYTHING

    assert all((blow.seconds > 0) == lasts(blow) for blow in plan(3, 300))


def test_an_issue_says_what_the_agent_reads() -> None:
    asked = task(4, 9)
    found = re.search(TASK, asked.body)
    assert found is not None
    assert found[0].startswith(f"chaos-mark:{asked.mark} asks:{asked.asks} ")
    assert AGENT_COMMAND[:2] == ["python3", "-c"]
    assert task(4, 9) == asked != task(5, 9)


def test_the_command_prints_its_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--plan", "--kills", "9", "--seed", "4"]) == 0
    assert capsys.readouterr().out.splitlines() == [str(blow) for blow in plan(4, 9)]


@pytest.mark.parametrize("wrong", [["--kills", "-1"], ["--interval", "0"], ["--at-once", "0"]])
def test_the_command_refuses_what_makes_no_round(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(wrong)
