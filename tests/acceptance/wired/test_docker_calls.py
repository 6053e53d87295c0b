"""The worker is killed between two of its calls to Docker: a container is made and not started.

The call before the start has reached the engine, and the start never does.
"""

from __future__ import annotations

from paid.containers.engine import DockerEngine
from paid.containers.instance import instance_id
from tests.acceptance.oracle import AGENT, books_are_right, completed_once
from tests.acceptance.stage import OWNER
from tests.acceptance.wired.installation import WiredStage
from tests.acceptance.wired.test_worker_losses import CHECK


def test_a_run_goes_on_when_its_worker_is_killed_between_a_containers_making_and_its_start(
    wired: WiredStage,
) -> None:
    wired.model.reset()
    watched = wired.watch(agent_command=AGENT, checks=[CHECK])
    wired.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    engine = DockerEngine(wired.settings)
    installation = instance_id(wired.settings.data_dir)[:8]
    for kind in ("agent", "verify"):
        wired.docker.stop_before(f"POST -{kind}-1-{installation}/start")
        wired.until(lambda: wired.docker.stopped, f"the start of the {kind} container")
        run = wired.begun(watched)
        facts = engine.inspect(f"paid-run-{run.id}-{kind}-1")
        assert facts is not None
        assert facts["State"]["Status"] == "created"
        wired.worker.kill()
        wired.docker.let_go()
        wired.worker.start()
    run = wired.ended(watched)
    completed_once(wired, watched, [run])
    books_are_right(wired, [run])
