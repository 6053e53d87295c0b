"""What one git process of the host may take: memory, processor time, the size of a file.

The kernel keeps these limits, on git and on every process that it starts, so that neither the
worker nor its neighbours feel a change that is made to exhaust them. A shell sets them, because
Python's own hook between fork and exec is not safe beside threads; its text is a constant, and what
is run are its arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MIB = 1024 * 1024
_SHELL = "/bin/sh"
# a limit that is higher than the one that Paid itself runs under cannot be set, and need not be
_SET = 'for o in d t f; do ulimit -"$o" "$1" 2>/dev/null; shift; done; exec "$@"'
_BLOCK_BYTES = 512
"""The unit of `ulimit -f` (POSIX); those of `-d` and `-t` are KiB and seconds."""


@dataclass(frozen=True)
class ProcessLimits:
    """Limits of one process. `memory_bytes` is of what it allocates: RLIMIT_DATA, which leaves
    the files out that git maps. `wall_seconds` is for the whole group, and is the worker's."""

    memory_bytes: int
    processor_seconds: int
    file_bytes: int
    wall_seconds: float

    def command(self, argv: Sequence[str]) -> list[str]:
        """The argument list that runs `argv` under these limits."""
        return [
            _SHELL, "-c", _SET, "paid-limits",
            str(self.memory_bytes // 1024),
            str(self.processor_seconds),
            str(self.file_bytes // _BLOCK_BYTES),
            *argv,
        ]  # fmt: skip


REPOSITORY = ProcessLimits(
    memory_bytes=4096 * _MIB,
    processor_seconds=1800,
    file_bytes=64 * 1024 * _MIB,
    wall_seconds=60,
)
"""For what the size of the watched repository decides. To index the pack of Linux takes 1.5 GiB.

Each call says how long it may take in all; a minute is for what only reads or writes refs."""

CHANGE = ProcessLimits(
    memory_bytes=400 * _MIB,
    processor_seconds=25,
    file_bytes=2048 * _MIB,
    wall_seconds=120,
)
"""For what an agent's commits decide: with what git maps no process is over 512 MiB, or busy for
half a minute. The wall's limit is wider, because fifty runs may share two processors."""

CHANGE_SETTINGS = {
    "core.bigFileThreshold": "2m",
    "core.packedGitWindowSize": "16m",
    "core.packedGitLimit": "64m",
    "core.deltaBaseCacheLimit": "32m",
    "pack.threads": "1",
    "pack.windowMemory": "32m",
    "pack.deltaCacheSize": "32m",
    "diff.renames": "false",
}
"""Settings under which git works in so little memory.

Files over 2 MiB are streamed, and are binary to a diff: comparing by lines takes 40 bytes of memory
a byte where lines are short (90 MB took 3.5 GiB), and time with the square of their number.
"""
