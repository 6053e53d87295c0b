"""Records the histories that `test_polls.py` replays: `python -m tests.replay.record_polls`.

Run it when the poll's commands were changed on purpose, behind `workflow.patched`, and add the new
files beside the old ones: polls that were started before the change still go on.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus

from paid.contracts import PollInput, PollResult
from paid.embedded import TemporalServer
from paid.process_end import end_process
from paid.temporal import CONVERTER
from tests.poll.polling import Script, becomes, ids, polling, until

OF_THE_MACHINE = frozenset({"stackTrace", "identity", "binaryChecksum", "buildId"})
STICKY_QUEUE = re.compile(r"^\d+@[\w.-]+")
HISTORIES = Path(__file__).parent / "histories"


async def starts_and_cancels(client: Client, script: Script) -> str:
    """Two runs are started, one is cancelled, signals come, the project is removed."""
    runs = ids(2)
    script.record = PollResult(0.2, starts=runs)
    async with polling(client, script) as handle:
        await becomes(client, runs[1].workflow_id, WorkflowExecutionStatus.RUNNING)
        script.record = PollResult(3600, cancel_workflow_ids=(runs[0].workflow_id, "run:9:9:9"))
        await becomes(client, runs[0].workflow_id, WorkflowExecutionStatus.CANCELED)
        await handle.signal("pause")
        seen = len(script.looks)
        await handle.signal("resume")
        await until(lambda: len(script.looks) > seen)
        await client.get_workflow_handle(runs[1].workflow_id).signal("finish")
        script.record = PollResult(1, stop=True)
        await handle.signal("look_now")
        await handle.result()
        return (await handle.fetch_history()).to_json()


async def fails_and_waits(client: Client, script: Script) -> str:
    """Looks fail, the record fails, and the poll goes on."""
    script.fail_look = True
    async with polling(client, script, PollInput(7, 3, "2026-01-01T00:00:00+00:00")) as handle:
        await until(lambda: len(script.looks) >= 2)
        script.fail_record = True
        await asyncio.sleep(1)
        seen = len(script.looks)
        await handle.signal("look_now")
        await until(lambda: len(script.looks) > seen)
        await asyncio.sleep(1)
        return (await handle.fetch_history()).to_json()


def portable(history: str) -> str:
    """The history without what tells of the machine that it was recorded on."""

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            kept = value.items()
            return {key: without(item) for key, item in kept if key not in OF_THE_MACHINE}
        if isinstance(value, str):
            return STICKY_QUEUE.sub("a-worker", value)
        return [without(item) for item in value] if isinstance(value, list) else value

    return json.dumps(without(json.loads(history)), indent=1)


async def record(suffix: str) -> None:
    """Write one file for each scenario."""
    with tempfile.TemporaryDirectory(prefix="paid-") as folder:
        server = TemporalServer(Path(folder), in_memory=True)
        client = await Client.connect(server.start(), data_converter=CONVERTER)
        for scenario in (starts_and_cancels, fails_and_waits):
            history = portable(await scenario(client, Script()))
            name = f"poll-{scenario.__name__.replace('_', '-')}-{suffix}.json"
            (HISTORIES / name).write_text(history + "\n")
        server.destroy()


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1] if len(sys.argv) > 1 else "1"))
    end_process(0)
