"""Writes a step's task where its container will read it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

from paid.containers.contract import Kind, Limits
from paid.containers.image.paid_step.task import Task

__all__ = ["Task", "runs_folder", "task_folder", "with_limits", "write_task"]


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
    file = folder / "task.json"
    if file.exists():
        return folder
    task = dataclasses.replace(with_limits(task, limits or Limits()), step=f"{kind}-{number}")
    draft = folder / "task.json.part"
    draft.write_text(json.dumps(dataclasses.asdict(task)), encoding="utf-8")
    draft.chmod(0o644)
    os.replace(draft, file)
    return folder


def remove_tasks(data_dir: Path, run_id: int) -> None:
    """Remove what the host kept for the run's containers."""
    shutil.rmtree(runs_folder(data_dir) / str(run_id), ignore_errors=True)
