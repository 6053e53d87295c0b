"""What every mode but the agent's does, as tables of contents; with collecting, which ends that."""

from __future__ import annotations

import os
import time

from . import changes, forwarder, gaps, processes, repository, workspace
from .agent import environment_of
from .places import DONE, FAILED, TREE, WORKSPACE, WORKTREE, RepositoryError
from .reports import Reporter
from .task import Task


def clone(base_sha: str) -> None:
    """A clone of the container's own, where no base lies below; nothing where one is there."""
    if workspace.is_cloned():
        return
    from . import dating  # noqa: PLC0415 - only where overlays do not work

    begun_at = time.time()
    repository.clone(base_sha)
    dating.date_into_the_past(begun_at)


def prepare_base(task: Task, reporter: Reporter) -> int:
    """A clone and worktree that later runs use as the lower, unchanging layers.

    Over another base, the clone is there already and only moves to this commit.
    """
    from . import dating  # noqa: PLC0415 - of this mode alone

    begun_at = time.time()
    repository.clone(task.base_sha)
    workspace.make_folders()
    if repository.head() != task.base_sha:
        repository.refresh_branches()
        repository.switch_to(task.base_sha)
    changes.record_folders()
    dating.date_into_the_past(begun_at)
    reporter.send("ready")
    return DONE


def look(_: Task, reporter: Reporter) -> int:
    """Nothing but the probe, and whether the workspace can be written."""
    workspace.make_folders()
    reporter.send("ready")
    return DONE


def empty(_: Task, reporter: Reporter) -> int:
    """Remove what earlier containers left, for a host that may not remove their files itself."""
    for entry in os.scandir(WORKSPACE):
        workspace.remove(entry.path)
    reporter.send("ready")
    return DONE


def collect(task: Task, reporter: Reporter) -> int:
    """Commit what is left and write the bundle; also for an agent whose container died."""
    workspace.reset_configuration(task.base_sha)
    repository.unlock()
    found = _staged(task)
    told: dict[str, object] = {"repositories": found.repositories, "submodules": found.submodules}
    told["conflicts"] = found.conflicts
    commit, parent = repository.commit_staged(task.commit_message)
    head = repository.take_home(task.branch, task.base_sha, commit, parent, task.commit_message)
    large, left_out = found.large, dict[str, int]()
    if head is not None or large:
        from . import litter  # noqa: PLC0415 - nothing of it is needed without a change
    if head is not None:
        head, parent, left_out = litter.leave_out(task.base_sha, head, parent)
        head = repository.take_home(task.branch, task.base_sha, head, parent, task.commit_message)
    if large:
        large = litter.without(large, left_out, task.base_sha)
    told["left_out"] = left_out
    if head is None:
        told["large"] = large[: gaps.MOST_NAMED]
        reporter.send("collected", head=None, files=0, commits=0, bundle_bytes=0, **told)
        return DONE
    changed = repository.changed_files(task.base_sha, head)
    reporter.send(
        "collected",
        **told,
        head=head,
        files=len(changed),
        large=[*large, *gaps.too_large(changed)][: gaps.MOST_NAMED],
        commits=(1 if parent == task.base_sha else repository.count_commits(task.base_sha, head)),
        bundle_bytes=repository.write_bundle(task.branch, task.base_sha),
    )
    return DONE


def _staged(task: Task) -> changes.Gaps:
    if os.path.exists(f"{WORKTREE}/index"):
        try:
            return changes.stage(task.base_sha, task.litter)
        except RepositoryError:
            pass  # the agent's own doing may be the reason
    repository.mend(task.base_sha)
    return changes.stage(task.base_sha, task.litter)


def verify(task: Task, reporter: Reporter) -> int:
    """Run each check on the exact commit, in a worktree that no agent has touched."""
    from . import checks  # noqa: PLC0415 - not needed to collect

    clone(task.base_sha)
    workspace.make_folders()
    repository.switch_to(task.head_sha)
    workspace.write_home(task.files)
    if task.gateway:
        forwarder.Forwarder(reporter=reporter).start()
    reporter.send("ready", head=repository.head())
    environment = environment_of(task)
    os.chdir(TREE)
    for index, argv in enumerate(task.checks):
        result = checks.run(argv, environment, task.check_timeout_seconds)
        swept = processes.sweep()
        reporter.send(
            "check",
            index=index,
            code=result.code,
            signal=result.signal,
            oom_kills=result.oom_kills,
            seconds=result.seconds,
            timed_out=result.timed_out,
            output=result.output,
        )
        if not swept:
            return FAILED
    reporter.send("verified", head=task.head_sha)
    return DONE


MODES = {
    "collect": collect,
    "verify": verify,
    "base": prepare_base,
    "probe": look,
    "empty": empty,
}
