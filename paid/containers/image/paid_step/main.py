"""The way of every container: unreadable, probed, the gateway there, then its mode."""

from __future__ import annotations

import os

from . import agent, gateway, probe, processes
from . import task as tasks
from .places import GATEWAY_AWAY, NOT_TIGHT, REPOSITORY_TROUBLE, RepositoryError
from .reports import Reporter, hide_from_the_agent

TASK_FILE = "/run/paid/task/task.json"
REPORT_KEY = "PAID_REPORT_KEY"


def main() -> int:
    """Do the task; the exit code is one of those in `places`."""
    hide_from_the_agent()
    processes.watch_signals()
    reporter = Reporter(bytes.fromhex(os.environ.pop(REPORT_KEY)))
    task = tasks.read(TASK_FILE)
    found = probe.openings(task.pids, task.memory_bytes)
    reporter.send("probe", openings=found)
    if found:
        return NOT_TIGHT
    if task.gateway and (silent := gateway.wait(reporter, task.gateway_seconds)):
        reporter.send("trouble", message=f"The gateway does not answer: {silent}.")
        return GATEWAY_AWAY
    try:
        return _mode(task, reporter)
    except RepositoryError as error:
        reporter.send("trouble", message=str(error))
        return REPOSITORY_TROUBLE


def _mode(task: tasks.Task, reporter: Reporter) -> int:
    if task.mode == "agent":
        return agent.run(task, reporter)
    from . import modes  # noqa: PLC0415 - loads git's side, which an agent's start does without

    return modes.MODES[task.mode](task, reporter)
