"""Starts the agent as a child of process 1, waits for it, and leaves no process behind.

Process 1 of a container cannot be killed from inside it, and every orphan becomes its child. So
an agent that forks, ignores SIGTERM or kills its parent changes nothing: the sweep ends them all.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]
import _thread
import errno
import os
import time

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WATCHED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
SWEEP_SECONDS = 10.0
SLICE_SECONDS = 2.0
MOST_BETWEEN_LOOKS_SECONDS = 10.0
"""A busy machine lets this process wait for seconds; longer than that it was frozen."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class Ending:
    """How the agent ended. `reason` is exited, timeout, or stopped (the host asked for it)."""

    def __init__(self, code: int | None, signal: int | None, reason: str) -> None:
        self.code = code
        self.signal = signal
        self.reason = reason


class Done:
    """What a short program came to; `code` is negative for the signal that ended it."""

    def __init__(self, code: int, output: bytes, errors: bytes) -> None:
        self.code = code
        self.output = output
        self.errors = errors


def watch_signals() -> None:
    """Block what `supervise` waits for, before any child exists, so that no signal is lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)


def start(
    argv: Sequence[str],
    env: Mapping[str, str],
    stdin: str | None = None,
    output: int | None = None,
    errors: int | None = None,
) -> int:
    """Start a program in a session of its own. Returns its process id.

    `output` takes what it writes, and `errors` what it complains of; None means our own output,
    and for `errors` that they go where the output goes. Raises OSError or ValueError when the
    program cannot be started. The working folder is the caller's.
    """
    source = stdin or os.devnull
    program = find(argv[0], env.get("PATH", os.defpath))
    ends = () if output is None else ((output, 1), (output if errors is None else errors, 2))
    pid = os.posix_spawn(
        program,
        list(argv),
        dict(env),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, source, os.O_RDONLY, 0),
            *((os.POSIX_SPAWN_DUP2, end, descriptor) for end, descriptor in ends),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[*WATCHED, signal.SIGPIPE],
    )
    # Short of memory, the kernel shall kill the agent's family first and not process 1.
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as score:
            score.write("500")
    except OSError:
        pass
    return pid


def find(name: str, path: str) -> str:
    """Where a program is on the search path that it will have itself, which is not ours.

    Raises FileNotFoundError, or PermissionError where all that is called so cannot be run.
    """
    if "/" in name:
        return name
    places = [f"{folder}/{name}" for folder in path.split(":") if folder]
    found = [place for place in places if os.path.isfile(place)]
    for place in found:
        if os.access(place, os.X_OK):
            return place
    if found:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), found[0])
    raise FileNotFoundError(errno.ENOENT, "there is no such program", name)


def code_of(error: OSError | ValueError) -> int:
    """The exit code that a shell has for a program that could not be started."""
    is_missing = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
    return NOT_FOUND if is_missing else NOT_EXECUTABLE


def run(argv: Sequence[str], env: Mapping[str, str], stdin: bytes, seconds: float) -> Done:
    """Run a short program of ours to its end; `subprocess` would only cost its import.

    Raises OSError when it cannot be started, TimeoutError when it was ended for its time.
    """
    files = [os.memfd_create(name) for name in ("input", "output", "errors")]
    try:
        os.write(files[0], stdin)
        os.lseek(files[0], 0, os.SEEK_SET)
        pid = os.posix_spawnp(
            argv[0],
            list(argv),
            dict(env),
            file_actions=[(os.POSIX_SPAWN_DUP2, file, n) for n, file in enumerate(files)],
            setsid=True,
            setsigmask=[],
            setsigdef=[*WATCHED, signal.SIGPIPE],
        )
        code = _wait(pid, seconds)
        return Done(code, *(os.pread(file, os.fstat(file).st_size, 0) for file in files[1:]))
    finally:
        for file in files:
            os.close(file)


def _wait(pid: int, seconds: float) -> int:
    """The exit code of a child; a thread waits for it, since a wait itself knows no time."""
    codes: list[int] = []
    ended = _thread.allocate_lock()
    ended.acquire()

    def wait() -> None:
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        ended.release()

    _thread.start_new_thread(wait, ())
    if not ended.acquire(timeout=seconds):
        signal_group(pid, signal.SIGKILL)
        ended.acquire()
        raise TimeoutError(f"not done within {seconds:g} s")
    return codes[0]


class Clock:
    """Seconds since it was made, without those in which nobody looked: this process was frozen.

    Whoever reads it does so at least once in SLICE_SECONDS. No clock of the system stands still
    with the freezer of a control group.
    """

    def __init__(self, most_seconds: float = MOST_BETWEEN_LOOKS_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._seen = time.monotonic()
        self._passed = 0.0

    def now(self) -> float:
        """The seconds by now."""
        moment = time.monotonic()
        self._passed += min(moment - self._seen, self._most_seconds)
        self._seen = moment
        return self._passed


def supervise(pid: int, timeout_seconds: float, grace_seconds: float) -> Ending:
    """Wait for the program; end it after its time, or when the host sends SIGTERM.

    Time does not count while the container is frozen, because the run waits for money.
    """
    clock = Clock()
    deadline = timeout_seconds
    reason = "exited"
    while True:
        left = max(0.0, deadline - clock.now())
        received = signal.sigtimedwait(WATCHED, min(SLICE_SECONDS, left))
        if received is None and clock.now() < deadline:
            continue
        status = reap(pid)
        if status is not None:
            return _ending(status, reason)
        if received is not None and received.si_signo == signal.SIGCHLD:
            continue
        if reason != "exited":
            signal_group(pid, signal.SIGKILL)
            deadline = clock.now() + 1.0
            continue
        reason = "timeout" if received is None else "stopped"
        signal_group(pid, signal.SIGTERM)
        deadline = clock.now() + grace_seconds


def asked_to_stop() -> bool:
    """Whether the host has sent SIGTERM and nobody has taken it yet."""
    return signal.SIGTERM in signal.sigpending()


def sweep() -> bool:
    """Kill every other process of the container; True when none is left.

    Only process 1 may do this: elsewhere the same call would end the processes of a user.
    """
    if os.getpid() != 1:
        return True
    deadline = time.monotonic() + SWEEP_SECONDS
    while time.monotonic() < deadline:
        _kill(-1, signal.SIGKILL)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        time.sleep(0.01)
    return False


def reap(pid: int) -> int | None:
    """Collect all that ended; the wait status of `pid` if it is among them."""
    found = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not ended:
            return found
        if ended == pid:
            found = status


def signal_group(pid: int, number: int) -> None:
    """Signal a program and what it started in its session; one that is gone is no error."""
    _kill(-pid, number)
    _kill(pid, number)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _ending(status: int, reason: str) -> Ending:
    if os.WIFSIGNALED(status):
        return Ending(None, os.WTERMSIG(status), reason)
    return Ending(os.WEXITSTATUS(status), None, reason)
