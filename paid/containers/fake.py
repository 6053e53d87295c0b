"""An engine without containers: the same calls, for tests that are about something else.

A `program` says what each step prints and how it ends. The suite in tests/containers/test_engine.py
runs against this one and against Docker.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from paid.containers.contract import (
    GIBIBYTE,
    Exit,
    LogLine,
    Overlay,
    Owned,
    OwnedVolume,
    Started,
    StepSpec,
)
from paid.containers.image.paid_step.reports import PREFIX, sign
from paid.errors import BundleRejectedError, ContainerLostError, DockerUnavailableError

Saying = str | Mapping[str, Any]
"""A line of the agent's, or the fields of a signed report ({"report": "started"})."""


@dataclass(frozen=True)
class FakeStep:
    """What a step does: its lines, its exit code, its files. `endless` ends only when killed."""

    lines: tuple[Saying, ...] = ()
    code: int = 0
    endless: bool = False
    files: Mapping[str, bytes] = field(default_factory=dict)
    oom_killed: bool = False


@dataclass
class _Container:
    spec: StepSpec
    step: FakeStep
    container_id: str
    key: bytes
    paused: bool = False
    ended: Exit | None = None

    def lines(self) -> list[str]:
        """The output, with reports signed and numbered as paid-step does it."""
        number = 0
        said = []
        for line in self.step.lines:
            if isinstance(line, str):
                said.append(line)
                continue
            number += 1
            body = json.dumps({**line, "n": number})
            said.append(f"{PREFIX}{sign(self.key, body)} {body}")
        return said


class FakeEngine:
    """Containers as entries of a dictionary."""

    def __init__(self, program: Callable[[StepSpec], FakeStep] | None = None) -> None:
        self._program = program or (lambda _: FakeStep())
        self._containers: dict[str, _Container] = {}
        self._volumes: dict[str, OwnedVolume] = {}
        self._changed = threading.Condition()
        self.starts: list[str] = []
        """The names of the containers that were started, in order: one entry a start."""
        self.available = True
        """False makes every call raise DockerUnavailableError."""

    def start(self, spec: StepSpec) -> Started:
        """Enter the step, or find it."""
        with self._changed:
            self._look()
            known = self._containers.get(spec.name)
            if known is not None:
                return Started(spec.name, known.container_id, adopted=True)
            step = self._program(spec)
            made = _Container(spec, step, secrets.token_hex(32), secrets.token_bytes(32))
            if not step.endless:
                made.ended = Exit(step.code, step.oom_killed)
            self._containers[spec.name] = made
            self.starts.append(spec.name)
            return Started(spec.name, made.container_id, adopted=False)

    def adopt(self, name: str) -> Started | None:
        """The entry, if there is one."""
        with self._changed:
            self._look()
            known = self._containers.get(name)
            return None if known is None else Started(name, known.container_id, adopted=True)

    def follow(self, name: str, cursor: str | None = None) -> FakeLog:
        """The step's lines; a cursor is the number of lines seen."""
        return FakeLog(self, name, int(cursor or 0))

    def wait(self, name: str, timeout_seconds: float) -> Exit | None:
        """How it ended."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while True:
                found = self._find(name)
                left = deadline - time.monotonic()
                if found.ended is not None or left <= 0:
                    return found.ended
                self._changed.wait(left)

    def pause(self, name: str) -> None:
        """Mark it as frozen."""
        with self._changed:
            self._find(name).paused = True

    def unpause(self, name: str) -> None:
        """Mark it as going on."""
        with self._changed:
            self._look()
            if name in self._containers:
                self._containers[name].paused = False

    def stop(self, name: str, grace_seconds: float = 10.0) -> None:
        """End it as SIGTERM would."""
        self._end(name, 143)

    def kill(self, name: str) -> None:
        """End it as SIGKILL would."""
        self._end(name, 137)

    def remove(self, name: str) -> None:
        """Forget it."""
        self._end(name, 137)
        with self._changed:
            self._containers.pop(name, None)
            self._changed.notify_all()

    def copy_out(self, name: str, path: str, into: Path, max_bytes: int) -> None:
        """Write one of the step's files to `into`."""
        with self._changed:
            data = self._find(name).step.files.get(path)
        if data is None:
            raise ContainerLostError(f"{name} has no {path}.")
        if len(data) > max_bytes:
            raise BundleRejectedError(f"{path} is larger than {max_bytes} bytes.")
        into.parent.mkdir(parents=True, exist_ok=True)
        into.write_bytes(data)

    def inspect(self, name: str) -> Mapping[str, Any] | None:
        """The state, in the engine's words."""
        with self._changed:
            self._look()
            found = self._containers.get(name)
            if found is None:
                return None
            return {"Id": found.container_id, "State": {"Status": _state(found)}}

    def report_key(self, name: str) -> bytes:
        """The key of the step's reports."""
        with self._changed:
            return self._find(name).key

    def owned(self) -> list[Owned]:
        """All entries."""
        with self._changed:
            self._look()
            return [
                Owned(name, item.spec.run_id, item.spec.kind, _state(item))
                for name, item in self._containers.items()
            ]

    def create_volume(self, name: str, run_id: int, overlay: Overlay | None = None) -> None:
        """Remember a volume."""
        with self._changed:
            self._look()
            self._volumes.setdefault(name, OwnedVolume(name, run_id))

    def remove_volume(self, name: str) -> None:
        """Forget a volume."""
        with self._changed:
            self._look()
            self._volumes.pop(name, None)

    def owned_volumes(self) -> list[OwnedVolume]:
        """All remembered volumes."""
        with self._changed:
            self._look()
            return list(self._volumes.values())

    def ping(self) -> None:
        """Raise if `available` is False."""
        self._look()

    def disk_free_bytes(self) -> int:
        """Plenty."""
        return 100 * GIBIBYTE

    def lines_after(self, name: str, count: int) -> list[str] | None:
        """What `follow` may yield next; None when the step has ended and all was read. Waits."""
        with self._changed:
            found = self._containers.get(name)
            if found is None:
                return None
            said = found.lines()[count:]
            if said:
                return said
            if found.ended is not None:
                return None
            self._changed.wait(0.05)
            return []

    def _end(self, name: str, code: int) -> None:
        with self._changed:
            self._look()
            found = self._containers.get(name)
            if found is not None and found.ended is None:
                found.ended = Exit(code)
            self._changed.notify_all()

    def _find(self, name: str) -> _Container:
        self._look()
        if name not in self._containers:
            raise ContainerLostError(f"There is no container {name}.")
        return self._containers[name]

    def _look(self) -> None:
        if not self.available:
            raise DockerUnavailableError("The fake engine was switched off.")


class FakeLog:
    """The lines of a fake step."""

    def __init__(self, engine: FakeEngine, name: str, seen: int) -> None:
        self._engine = engine
        self._name = name
        self._seen = seen
        self._closed = False
        if engine.inspect(name) is None:
            raise ContainerLostError(f"There is no container {name}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration."""
        self._closed = True

    def __iter__(self) -> Iterator[LogLine]:
        """The lines after the cursor, until the step ends."""
        while not self._closed:
            lines = self._engine.lines_after(self._name, self._seen)
            if lines is None:
                return
            for text in lines:
                self._seen += 1
                yield LogLine(str(self._seen), "stdout", text)


def _state(container: _Container) -> str:
    if container.ended is not None:
        return "exited"
    return "paused" if container.paused else "running"
