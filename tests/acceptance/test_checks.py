"""Checks on whole runs: none is green that did not pass, and none is paid for that cannot pass."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from paid.check_lines import parse
from paid.containers.engine import DockerEngine
from paid.settings import child_environment
from tests.acceptance.stage import OWNER, Stage

WRITES = ["python3", "-c", "open('made.txt', 'a').write('made')"]
MENDS = ["python3", "-c", "import os; os.path.exists('a') and open('b', 'w'); open('a', 'w')"]
"""An agent that leaves half of the work to its second turn."""


def test_a_check_that_cannot_pass_ends_the_run_after_one_turn_and_is_named_everywhere(
    stage: Stage,
) -> None:
    checks = [parse("true"), parse("echo looking && no-such-program --all")]
    watched = stage.watch(agent_command=WRITES, checks=checks)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    assert (run.status, run.error_code) == ("failed", "checks_cannot_pass")
    assert len(stage.events(run, "agent.started")) == 1
    command = "bash -euo pipefail -c 'echo looking && no-such-program --all'"
    for word in (
        f"`{command}` ended with exit code 127",
        "looking",
        "not found",
        "on the untouched base in the same way",
    ):
        assert word in run.error_message
    (base,) = stage.events(run, "verify.base")
    assert (base.data["same"], base.data["end"]) == (True, "no_program")
    stage.until(
        lambda: any(
            "no-such-program" in it.body for it in stage.forge.issue(watched.name, 1).comments
        ),
        "the check's name on the issue",
    )
    assert stage.forge.pulls(watched.name) == []


def test_a_check_that_fails_on_the_base_otherwise_goes_back_to_the_agent(stage: Stage) -> None:
    watched = stage.watch(agent_command=MENDS, checks=[parse("ls a; ls b")])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.ended(watched)
    assert (run.status, run.iterations) == ("completed", 2), run.error_message
    (base,) = stage.events(run, "verify.base")
    assert not base.data["same"]


def test_checks_can_be_tried_without_an_agent_and_without_a_run(stage: Stage) -> None:
    lines = [
        "echo 'Ran 0 tests in 0.0s'",
        "no-such-program",
        "curl -sS https://not-listed.example/",
    ]
    watched = stage.watch(checks=[parse(line) for line in lines])
    done = subprocess.run(
        [sys.executable, "-m", "paid", "project", "check", watched.name, "--json"],
        env={**os.environ, **child_environment(stage.settings)},
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    checks = json.loads(done.stdout)["checks"]
    assert [check["end"] for check in checks] == ["passed", "no_program", "denied"]
    assert [check["ran_no_test"] for check in checks] == [True, False, False]
    assert checks[2]["denied_hosts"] == ["not-listed.example"]
    assert stage.run_of(watched) is None
    assert [one.name for one in DockerEngine(stage.settings).owned() if one.run_id == 0] == []
