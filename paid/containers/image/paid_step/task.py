"""The task of one container, written by the host as `task.json` in a read-only folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODES = ("agent", "collect", "verify", "base", "probe", "empty")


@dataclass(frozen=True)
class Task:
    """What to do in one container.

    `argv` is the agent's command; `env` values that are exactly "{run_token}" become the run's
    token. `files` maps paths relative to HOME to their text. `trusted_paths` are folders and files
    of the repository that configure the agent: it sees them as the base commit has them. `litter`
    are names of files that the agent leaves behind and nobody commits. `checks` are commands of
    `verify`. `step` names the container's work, which is done at most once. `pids` and
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
    pids: int = 0
    memory_bytes: int = 0


def parse(text: str) -> Task:
    """The task in `text`. Unknown fields are an error: host and image are of one version."""
    raw: dict[str, Any] = json.loads(text)
    for name in ("argv", "trusted_paths", "litter"):
        raw[name] = tuple(raw.get(name, ()))
    raw["checks"] = tuple(tuple(argv) for argv in raw.get("checks", ()))
    task = Task(**raw)
    if task.mode not in MODES:
        raise ValueError(f"unknown mode {task.mode!r}")
    return task


def read(path: Path) -> Task:
    """The task in the file that the host put there."""
    return parse(path.read_text(encoding="utf-8"))
