"""The gateway is away or frozen while a container starts (fault 22): the run waits and goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from paid.containers.engine import DockerEngine
from tests.acceptance.asking import asking
from tests.acceptance.stage import OWNER, Stage

ASKS = asking(
    """
print("asks", flush=True)
ask()
pathlib.Path("made.txt").write_text("made")
"""
)
CHECK = ["python3", "-c", "print('checked')"]


@contextmanager
def gateway_away(stage: Stage) -> Iterator[None]:
    """Nobody listens at the gateway's socket, as while it is started again."""
    socket = stage.settings.gateway_socket_path
    hidden = socket.with_name("hidden")
    os.rename(socket, hidden)
    try:
        yield
    finally:
        os.rename(hidden, socket)


def test_a_run_waits_for_a_gateway_that_is_away_while_its_containers_start_and_says_so(
    stage: Stage,
) -> None:
    watched = stage.watch(agent_command=ASKS, checks=[CHECK])
    with gateway_away(stage):
        stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
        run = stage.begun(watched)
        assert "gateway does not answer" in stage.saw(run, "run.waiting").data["message"]
        run = stage.begun(watched)
        assert (run.waits, run.error_code) == (True, "gateway_away")
        said = stage.command("logs", str(run.id))
        assert "The gateway does not answer" in said.stdout
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", ""), stage._told()
    kinds = [event.kind for event in stage.events(run)]
    assert kinds.count("agent.started") == kinds.count("step.started") == 1
    assert kinds.index("run.waiting") < kinds.index("run.waited") < kinds.index("step.started")
    stage.nothing_left(run)


def test_a_gateway_that_is_frozen_while_an_agent_and_while_checks_start_fails_neither(
    stage: Stage,
) -> None:
    watched = stage.watch(agent_command=ASKS, checks=[CHECK])
    engine = DockerEngine(stage.settings)
    stage.kill("gateway", signal.SIGSTOP)
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    for kind in ("agent", "verify"):
        name = f"paid-run-{run.id}-{kind}-1"
        stage.until(lambda name=name: engine.inspect(name), f"{name}")
        stage.kill("gateway", signal.SIGSTOP)
        time.sleep(6)  # longer than the sandbox's probe waits for one answer
        stage.kill("gateway", signal.SIGCONT)
    run = stage.ended(watched)
    assert (run.status, run.error_message) == ("completed", ""), stage._told()
    assert len(stage.events(run, "step.started")) == 1
    engine.close()
