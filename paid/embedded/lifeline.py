"""A program that ties a server's life to the life of whoever started it.

It runs between the two. When its standard input ends (the starter closed it, or was killed), it
stops the server politely, then hard. When it is killed itself, Linux signals the server. It knows
nothing but the standard library, because it is started with `python -I -S` to be quick and small.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.5


def _die_with_parent(stop_signal: int) -> Callable[[], None]:
    """What the server's process does before exec: ask Linux for a signal when we are gone.

    The library is loaded before the fork: between fork and exec nothing may wait for a lock.
    """
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(PR_SET_PDEATHSIG, stop_signal)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _start(options: argparse.Namespace) -> subprocess.Popen[bytes]:
    """Start the server with no group of ours left when it changes its user."""
    before_exec = _die_with_parent(options.signal)
    if options.user is None:
        return subprocess.Popen(
            options.argv, stdin=subprocess.DEVNULL, preexec_fn=before_exec, cwd=options.cwd
        )
    account = pwd.getpwnam(options.user)
    return subprocess.Popen(
        options.argv,
        stdin=subprocess.DEVNULL,
        preexec_fn=before_exec,
        cwd=options.cwd,
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
    )


KILLED = 128
"""What a shell adds to the number of the signal that ended a program."""


def _starter_is_gone(starter: int) -> bool:
    """Wait a moment; True when the pipe ended or we were inherited by somebody else.

    The second question matters when a fork of the starter still holds the pipe open.
    """
    readable, _, _ = select.select([sys.stdin], [], [], POLL_SECONDS)
    if readable and not os.read(sys.stdin.fileno(), 1024):
        return True
    return os.getppid() != starter


def _stop(server: subprocess.Popen[bytes], options: argparse.Namespace) -> None:
    server.send_signal(options.signal)
    try:
        server.wait(options.grace_seconds)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", type=lambda name: signal.Signals[name], required=True)
    parser.add_argument("--grace-seconds", type=float, required=True)
    parser.add_argument("--pid-file", type=Path, required=True)
    parser.add_argument("--cwd", required=True)
    parser.add_argument("--user")
    parser.add_argument("argv", nargs="+")
    return parser.parse_args(argv)


def main(argv: list[str]) -> int:
    """Run the server until it or its starter ends; the exit status is the server's.

    As a shell says it: 128 and the signal's number where a signal ended the server.
    """
    options = _arguments(argv)
    starter = os.getppid()
    asked_to_stop = False

    def on_term(*_: object) -> None:
        nonlocal asked_to_stop
        asked_to_stop = True

    signal.signal(signal.SIGTERM, on_term)
    signal.signal(signal.SIGINT, on_term)
    server = _start(options)
    options.pid_file.write_text(f"{server.pid}\n")
    while server.poll() is None:
        if asked_to_stop or _starter_is_gone(starter):
            _stop(server, options)
    options.pid_file.unlink(missing_ok=True)
    status = int(server.returncode)
    return status if status >= 0 else KILLED - status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
