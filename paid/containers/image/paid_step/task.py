"""The task of one container, written by the host as `task.json` in a read-only folder."""

from __future__ import annotations

from .core import read_json

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Task:
    """What to do in one container; the host's `paid.containers.task.Task` tells what each means."""

    mode: str
    step: str
    argv: Sequence[str]
    stdin: str | None
    env: Mapping[str, str]
    files: Mapping[str, str]
    trusted_paths: Sequence[str]
    litter: Sequence[str]
    branch: str
    base_sha: str
    head_sha: str
    checks: Sequence[Sequence[str]]
    timeout_seconds: float
    grace_seconds: float
    check_timeout_seconds: float
    commit_message: str
    gateway: bool
    gateway_seconds: float
    pids: int
    memory_bytes: int

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.__dict__.update(fields)


def parse(text: str) -> Task:
    """The task in `text`. Other fields are an error: host and image are of one version."""
    fields = read_json(text)
    if not isinstance(fields, dict) or fields.keys() != Task.__annotations__.keys():
        raise ValueError(f"not a task: {text[:200]}")
    return Task(fields)


def read(path: str) -> Task:
    """The task in the file that the host put there."""
    with open(path, encoding="utf-8") as file:
        return parse(file.read())
