"""Writes a step's task where its container will read it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from paid.containers.contract import Kind, Limits


@dataclass(frozen=True)
class Task:
    """What to do in one container; paid-step reads it as `image/paid_step/task.py` has it.

    `mode` is agent, collect, verify, base, probe or empty. `argv` is the agent's command; `env`
    values that are exactly "{run_token}" become the run's token. `files` maps paths relative to
    HOME to their text. `trusted_paths` are folders and files of the repository that configure the
    agent: it sees them as the base commit has them. `litter` are names of files that the agent
    leaves behind and nobody commits. `checks` are commands of `verify`. `step` names the
    container's work, which is done at most once. A container with a `gateway` waits
    `gateway_seconds` for one that does not answer, and then ends without having begun. `pids` and
    `memory_bytes` are the limits that the sandbox must show; 0 means not looked at.
    """

    mode: str
    step: str = "step"
    argv: tuple[str, ...] = ()
    stdin: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    trusted_paths: tuple[str, ...] = ()
    litter: tuple[str, ...] = ()
    branch: str = ""
    base_sha: str = ""
    head_sha: str = ""
    checks: tuple[tuple[str, ...], ...] = ()
    timeout_seconds: float = 2700.0
    grace_seconds: float = 5.0
    check_timeout_seconds: float = 900.0
    commit_message: str = "Keep what the agent left uncommitted"
    gateway: bool = False
    gateway_seconds: float = 60.0
    pids: int = 0
    memory_bytes: int = 0


HOST_NAME = "paid"
"""Every container's own; it resolves to the container's loopback, as Debian has it."""
SYSTEM_FILES = {
    "hosts": f"127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
    f"127.0.1.1 {HOST_NAME}\n",
    "hostname": f"{HOST_NAME}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"
    "services: files\nprotocols: files\nrpc: files\nnetworks: files\nethers: files\n",
}
"""Files beside the task that the container finds in /etc. An engine that gives no network gives no
names either; and no name server is asked, because none is there to answer."""


def runs_folder(data_dir: Path) -> Path:
    """Where the folders of runs are."""
    return data_dir / "runs"


def task_folder(data_dir: Path, run_id: int, kind: Kind, number: int) -> Path:
    """The folder that the container sees, read-only, as /run/paid/task."""
    return runs_folder(data_dir) / str(run_id) / f"{kind}-{number}"


def with_limits(task: Task, limits: Limits) -> Task:
    """The task with the limits that the probe inside must find."""
    return dataclasses.replace(task, pids=limits.pids, memory_bytes=limits.memory_bytes)


def write_task(
    data_dir: Path, run_id: int, kind: Kind, number: int, task: Task, limits: Limits | None = None
) -> Path:
    """Write task.json; a step that was written before keeps its first task."""
    folder = task_folder(data_dir, run_id, kind, number)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    put_system_files(folder)
    file = folder / "task.json"
    if file.exists():
        return folder
    task = dataclasses.replace(with_limits(task, limits or Limits()), step=f"{kind}-{number}")
    _write(file, json.dumps(dataclasses.asdict(task)))
    return folder


def put_system_files(folder: Path) -> None:
    """Write the files for /etc that are missing beside a task: its container mounts them."""
    for name, text in SYSTEM_FILES.items():
        if not (folder / name).exists():
            _write(folder / name, text)


def _write(file: Path, text: str) -> None:
    draft = file.with_name(f"{file.name}.part")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o644)
    os.replace(draft, file)


def remove_tasks(data_dir: Path, run_id: int) -> None:
    """Remove what the host kept for the run's containers."""
    shutil.rmtree(runs_folder(data_dir) / str(run_id), ignore_errors=True)
