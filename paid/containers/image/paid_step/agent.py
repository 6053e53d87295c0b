"""A turn of the agent: branch, agent, leftovers, bundle."""

from __future__ import annotations

import os
import sys
import time

from . import forwarder, jvm, probe, processes, workspace
from .output import BoundedOutput
from .places import FAILED, HOME, LATER, STARTED_BEFORE, TREE
from .reports import Reporter
from .task import Task

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Mapping

RUN_TOKEN = "PAID_RUN_TOKEN"  # noqa: S105 - the variable's name
LATER_FILE = f"/run/paid/task/{LATER}"
PATIENCE_SECONDS = 20.0
LOOK_SECONDS = 0.25
DRAIN_SECONDS = 60.0
"""For what the agent has written last; the engine may be slow to take it."""


def run(task: Task, reporter: Reporter) -> int:
    """The agent is started at most once for a step."""
    if not workspace.is_cloned():
        from .modes import clone  # noqa: PLC0415 - only where overlays do not work

        clone(task.base_sha)
    workspace.make_folders()
    if not workspace.first_time(task.step):
        return STARTED_BEFORE
    workspace.reset_configuration(task.base_sha)
    new = workspace.start_branch(task.branch, task.base_sha)
    replaced = _put_base_version(task, new)
    workspace.write_home(task.files)
    environment = environment_of(task)
    if task.gateway:
        forwarder.Forwarder(reporter=reporter).start()
    reporter.send("ready")
    output = BoundedOutput()
    output.start()
    ending = _start_and_wait(task, environment, reporter, output)
    swept = processes.sweep()
    output.finish(DRAIN_SECONDS)
    reporter.send(
        "agent_exit",
        code=ending.code,
        signal=ending.signal,
        reason=ending.reason,
        oom_kills=probe.oom_kills(),
    )
    if not swept:
        return FAILED
    _give_way()
    return _collect(task, reporter, replaced)


def environment_of(task: Task) -> dict[str, str]:
    """What the agent and the checks find: the image's, the way out through the gateway, the task's.

    Both find the same, CI included: the agent is to see what the checks will see.
    """
    token = os.environ.get(RUN_TOKEN, "")
    host, port = forwarder.ADDRESS
    proxy = f"http://run:{token}@{host}:{port}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    way_out = dict.fromkeys(names, proxy) if task.gateway else {}
    local = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost,::1")
    own = {name: token if value == "{run_token}" else value for name, value in task.env.items()}
    path = f"{HOME}/.local/bin:{os.environ.get('PATH', '/usr/bin:/bin')}"
    java = jvm.environment(os.environ, HOME, forwarder.ADDRESS if task.gateway else None, token)
    known = {**os.environ, "HOME": HOME, "PATH": path, "CI": "true"}
    return {**known, **java, **way_out, **local, **own}


def _put_base_version(task: Task, new: bool) -> tuple[str, ...]:
    """The agent's own configuration as the base has it; a new branch is at its base."""
    if new:
        return ()
    from . import trusted  # noqa: PLC0415 - of a later turn

    return trusted.put_base_version(task.trusted_paths, task.base_sha)


def _start_and_wait(
    task: Task, environment: Mapping[str, str], reporter: Reporter, output: BoundedOutput
) -> processes.Ending:
    os.chdir(TREE)
    reporter.send("started")
    try:
        pid = processes.start(task.argv, environment, _stdin_file(task.stdin), *output.ends)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{task.argv[0] if task.argv else 'no command'}: {error}\n")
        return processes.Ending(processes.code_of(error), None, "exited")
    finally:
        output.started()
    return processes.supervise(pid, task.timeout_seconds, task.grace_seconds)


def _stdin_file(text: str | None) -> str | None:
    if text is None:
        return None
    place = "/tmp/paid-stdin"  # noqa: S108 - a tmpfs that is this container's own
    with open(place, "w", encoding="utf-8") as file:
        file.write(text)
    return place


def _give_way() -> None:
    """Let agents of other runs start before our commits, as the host says; not for long."""
    until = time.monotonic() + PATIENCE_SECONDS
    while os.path.exists(LATER_FILE) and time.monotonic() < until:
        if processes.asked_to_stop():
            return
        time.sleep(LOOK_SECONDS)


def _collect(task: Task, reporter: Reporter, replaced: tuple[str, ...]) -> int:
    from . import modes, trusted  # noqa: PLC0415 - git's side, not needed before the agent's end

    workspace.reset_configuration(task.base_sha)
    trusted.put_branch_version(replaced, task.base_sha)
    return modes.collect(task, reporter)
