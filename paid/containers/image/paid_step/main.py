"""What each mode does, as tables of contents."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from . import changes, checks, forwarder, probe, processes, repository, trusted
from . import task as tasks
from .reports import Reporter, hide_from_the_agent

TASK_FILE = Path("/run/paid/task/task.json")
REPORT_KEY = "PAID_REPORT_KEY"
RUN_TOKEN = "PAID_RUN_TOKEN"  # noqa: S105 - the variable's name

DONE, FAILED = 0, 1
STARTED_BEFORE, NOT_TIGHT, REPOSITORY_TROUBLE = 96, 97, 98


def main() -> int:
    """Do the task; the exit code is one of the constants above."""
    hide_from_the_agent()
    processes.watch_signals()
    reporter = Reporter(bytes.fromhex(os.environ.pop(REPORT_KEY)))
    task = tasks.read(TASK_FILE)
    found = probe.openings(task.pids, task.memory_bytes, task.gateway)
    reporter.send("probe", openings=found)
    if found:
        return NOT_TIGHT
    try:
        return MODES[task.mode](task, reporter)
    except repository.RepositoryError as error:
        reporter.send("trouble", message=str(error))
        return REPOSITORY_TROUBLE


def prepare_base(task: tasks.Task, reporter: Reporter) -> int:
    """A clone and worktree that later runs use as the lower, unchanging layers.

    Over another base, the clone is there already and only moves to this commit.
    """
    repository.clone(task.base_sha)
    repository.make_folders()
    if repository.head() != task.base_sha:
        repository.refresh_branches()
        repository.switch_to(task.base_sha)
    changes.record_folders()
    repository.settle_index()
    reporter.send("ready")
    return DONE


def look(_: tasks.Task, reporter: Reporter) -> int:
    """Nothing but the probe, and whether the workspace can be written."""
    repository.make_folders()
    reporter.send("ready")
    return DONE


def empty(_: tasks.Task, reporter: Reporter) -> int:
    """Remove what earlier containers left, for a host that may not remove their files itself."""
    for entry in os.scandir(repository.WORKSPACE):
        repository.remove(Path(entry.path))
    reporter.send("ready")
    return DONE


def run_agent(task: tasks.Task, reporter: Reporter) -> int:
    """Branch, agent, leftovers, bundle. The agent is started at most once for a step."""
    repository.clone(task.base_sha)
    repository.make_folders()
    if not _first_time(task.step):
        return STARTED_BEFORE
    repository.reset_configuration(task.base_sha)
    new = repository.start_branch(task.branch, task.base_sha)
    # A new branch is at its base, and so is all that is on it.
    replaced = () if new else trusted.put_base_version(task.trusted_paths, task.base_sha)
    _write_home(task.files)
    environment = _environment(task)
    if task.gateway:
        forwarder.Forwarder().start()
    reporter.send("ready")
    ending = _start_and_wait(task, environment, reporter)
    swept = processes.sweep()
    reporter.send(
        "agent_exit",
        code=ending.code,
        signal=ending.signal,
        reason=ending.reason,
        oom_kills=probe.oom_kills(),
    )
    if not swept:
        return FAILED
    repository.reset_configuration(task.base_sha)
    trusted.put_branch_version(replaced, task.base_sha)
    return collect(task, reporter)


def collect(task: tasks.Task, reporter: Reporter) -> int:
    """Commit what is left and write the bundle; also for an agent whose container died."""
    repository.reset_configuration(task.base_sha)
    repository.unlock_index()
    if not changes.stage(task.base_sha, task.litter):
        repository.stage_everything(task.litter)
    commit = repository.commit_staged(task.commit_message)
    head = repository.take_home(task.branch, task.base_sha, commit)
    if head is None:
        reporter.send("collected", head=None, files=0, commits=0, bundle_bytes=0)
        return DONE
    reporter.send(
        "collected",
        head=head,
        files=repository.changed_files(task.base_sha, head),
        commits=repository.count_commits(task.base_sha, head),
        bundle_bytes=repository.write_bundle(task.branch, task.base_sha),
    )
    return DONE


def verify(task: tasks.Task, reporter: Reporter) -> int:
    """Run each check on the exact commit, in a worktree that no agent has touched."""
    repository.clone(task.base_sha)
    repository.make_folders()
    repository.switch_to(task.head_sha)
    _write_home(task.files)
    if task.gateway:
        forwarder.Forwarder().start()
    reporter.send("ready", head=repository.head())
    environment = _environment(task)
    os.chdir(repository.TREE)
    for index, argv in enumerate(task.checks):
        result = checks.run(argv, environment, task.check_timeout_seconds)
        swept = processes.sweep()
        reporter.send(
            "check",
            index=index,
            code=result.code,
            seconds=result.seconds,
            timed_out=result.timed_out,
            output=result.output,
        )
        if not swept:
            return FAILED
    reporter.send("verified", head=task.head_sha)
    return DONE


MODES = {
    "agent": run_agent,
    "collect": collect,
    "verify": verify,
    "base": prepare_base,
    "probe": look,
    "empty": empty,
}


def _start_and_wait(
    task: tasks.Task, environment: Mapping[str, str], reporter: Reporter
) -> processes.Ending:
    os.chdir(repository.TREE)
    reporter.send("started")
    try:
        pid = processes.start(task.argv, environment, _stdin_file(task.stdin))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{task.argv[0] if task.argv else 'no command'}: {error}\n")
        return processes.Ending(processes.NOT_FOUND, None, "exited")
    return processes.supervise(pid, task.timeout_seconds, task.grace_seconds)


def _first_time(step: str) -> bool:
    """Leave a mark in the workspace; False when this step left it before."""
    try:
        descriptor = os.open(repository.WORKSPACE / "steps" / step, os.O_CREAT | os.O_EXCL)
    except FileExistsError:
        return False
    os.close(descriptor)
    return True


def _stdin_file(text: str | None) -> Path | None:
    if text is None:
        return None
    place = Path("/tmp/paid-stdin")  # noqa: S108 - a tmpfs that is this container's own
    place.write_text(text, encoding="utf-8")
    return place


def _write_home(files: Mapping[str, str]) -> None:
    """Write the agent's configuration; an earlier turn may have left links in its place."""
    for name, text in files.items():
        place = repository.HOME / name
        for folder in reversed(place.relative_to(repository.HOME).parents[:-1]):
            if (repository.HOME / folder).is_symlink():
                (repository.HOME / folder).unlink()
            (repository.HOME / folder).mkdir(exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(text, encoding="utf-8")


def _environment(task: tasks.Task) -> dict[str, str]:
    """The agent's environment: the image's, the way out through the gateway, the task's."""
    token = os.environ.get(RUN_TOKEN, "")
    host, port = forwarder.ADDRESS
    proxy = f"http://run:{token}@{host}:{port}"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    way_out = dict.fromkeys(names, proxy) if task.gateway else {}
    local = dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost,::1")
    own = {name: token if value == "{run_token}" else value for name, value in task.env.items()}
    return {**os.environ, "HOME": str(repository.HOME), **way_out, **local, **own}
