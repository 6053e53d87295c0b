"""What the rest of Paid says to a container engine; no SDK in sight.

`DockerEngine` (engine.py) and `FakeEngine` (fake.py) are the two siblings behind this protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, Self

Kind = Literal["base", "agent", "collect", "verify", "probe"]
"""What a step does. `base` and `probe` belong to the installation, not to a run (run_id 0)."""

MEBIBYTE = 1024 * 1024
GIBIBYTE = 1024 * MEBIBYTE


@dataclass(frozen=True)
class Limits:
    """What one container may use. Memory has no swap beside it; /tmp counts as memory.

    `file_bytes` caps each single file; `log_bytes` is what the engine keeps of the output.
    """

    cpus: float = 2.0
    memory_bytes: int = 4 * GIBIBYTE
    pids: int = 512
    log_bytes: int = 64 * MEBIBYTE
    tmp_bytes: int = GIBIBYTE
    tmp_inodes: int = 100_000
    file_bytes: int = 8 * GIBIBYTE
    open_files: int = 8192


@dataclass(frozen=True)
class StepSpec:
    """One container of a run. There are no other mounts than the ones named here.

    `task_folder` holds task.json. `volume` is the run's workspace; `base_folder` takes its place
    in a container that prepares a base. `gateway` is the folder of the gateway's socket; None
    means no way out at all. `changes` is the upper layer of an overlay, which the engine finds out
    by itself. `run_token` is the only secret that enters.
    """

    run_id: int
    kind: Kind
    number: int
    image: str
    task_folder: Path
    volume: str | None = None
    base_folder: Path | None = None
    mirror: Path | None = None
    gateway: Path | None = None
    changes: Path | None = None
    run_token: str | None = field(default=None, repr=False)
    limits: Limits = Limits()

    @property
    def name(self) -> str:
        """The container's name; the same step always has the same one.

        A base belongs to no run: its number says which base it is.
        """
        if self.kind == "base":
            return f"paid-base-{self.number:x}"
        return f"paid-run-{self.run_id}-{self.kind}-{self.number}"


@dataclass(frozen=True)
class Started:
    """A container that runs or ran. `adopted`: it was there before, nothing was started anew."""

    name: str
    container_id: str
    adopted: bool


@dataclass(frozen=True)
class LogLine:
    """One line of output. `cursor` resumes after it; `truncated` lines miss their middle or end."""

    cursor: str
    stream: Literal["stdout", "stderr"]
    text: str
    truncated: bool = False


@dataclass(frozen=True)
class Exit:
    """How a container ended. `oom_killed`: the kernel killed something in it for its memory."""

    code: int
    oom_killed: bool = False
    error: str = ""


@dataclass(frozen=True)
class Owned:
    """A container of this installation, found by its labels."""

    name: str
    run_id: int
    kind: str
    state: str


@dataclass(frozen=True)
class OwnedVolume:
    """A volume of this installation."""

    name: str
    run_id: int


@dataclass(frozen=True)
class Overlay:
    """Folders of an overlay volume.

    `lowers`, the topmost first, are shared and never written; the others are one run's.
    """

    lowers: tuple[Path, ...]
    upper: Path
    work: Path


class LogStream(Protocol):
    """Iterates over a container's lines until it ends; `close` from any thread ends it sooner."""

    def __iter__(self) -> Iterator[LogLine]: ...

    def close(self) -> None:
        """End the iteration at its next line."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Engine(Protocol):
    """Containers of steps, by name. All but `start`, `adopt`, `follow`, `copy_out` is idempotent.

    Every method raises DockerUnavailableError within 30 seconds when the engine does not answer.
    """

    def start(self, spec: StepSpec) -> Started:
        """Start the step, or adopt the container that an earlier attempt made."""

    def adopt(self, name: str) -> Started | None:
        """The container that an earlier attempt made, brought to run if it never did.

        None when there is none that could be followed: the step may be started.
        """

    def follow(self, name: str, cursor: str | None = None) -> LogStream:
        """The output after `cursor`, from the beginning if None, until the container ends."""

    def wait(self, name: str, timeout_seconds: float) -> Exit | None:
        """How it ended; None while it runs on. ContainerLostError when there is none."""

    def pause(self, name: str) -> None:
        """Freeze every process of the container."""

    def unpause(self, name: str) -> None:
        """Let it go on."""

    def stop(self, name: str, grace_seconds: float = 10.0) -> None:
        """Ask it to end, and kill it after the grace."""

    def kill(self, name: str) -> None:
        """End it now."""

    def remove(self, name: str) -> None:
        """Kill and remove it, its log included."""

    def copy_out(self, name: str, path: str, into: Path, max_bytes: int) -> None:
        """Copy one regular file of the container to `into`; BundleRejectedError if it is not."""

    def inspect(self, name: str) -> Mapping[str, Any] | None:
        """What the engine knows of the container; None when there is none."""

    def report_key(self, name: str) -> bytes:
        """The key that signs the container's reports."""

    def owned(self) -> list[Owned]:
        """The containers of this installation."""

    def create_volume(self, name: str, run_id: int, overlay: Overlay | None = None) -> None:
        """Make a volume, or find it; a plain one without `overlay`."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume that no container uses any more."""

    def owned_volumes(self) -> list[OwnedVolume]:
        """The volumes of this installation."""

    def ping(self) -> None:
        """Raise DockerUnavailableError unless the engine answers."""

    def disk_free_bytes(self) -> int:
        """The free space where images, logs and workspaces are: the smallest of them."""
