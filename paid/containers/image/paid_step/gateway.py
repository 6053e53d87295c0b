"""Waits until the gateway answers, before the work begins.

A gateway that is being started again, or is frozen for a moment, is no open lock: whoever needs it
waits, says so, and gives up without having begun.
"""

from __future__ import annotations

import _socket
import time

from . import processes

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from .reports import Reporter

SOCKET = "/run/paid/gateway/gateway.sock"
ANSWER_SECONDS = 5.0
"""After so long without an answer it is asked anew: the one that was asked may be dead by then."""
AGAIN_SECONDS = 0.25
TOLD_AFTER_SECONDS = 2.0
"""A gateway that was killed is back sooner on a quick machine, and nobody needs to hear of it."""


def wait(reporter: Reporter, seconds: float, path: str = SOCKET) -> str:
    """Why the gateway does not answer, after `seconds`; empty once it does.

    A wait of more than a moment is reported when it begins (`waiting`) and when it is over
    (`waited`).
    """
    began, told = time.monotonic(), False
    while True:
        silent = ask(path, max(0.1, min(ANSWER_SECONDS, seconds)))
        waited = time.monotonic() - began
        if not silent and told:
            reporter.send("waited", on="gateway", seconds=round(waited, 1))
        if not silent or waited >= seconds or processes.asked_to_stop():
            return silent
        if not told and waited >= TOLD_AFTER_SECONDS:
            told = True
            reporter.send("waiting", on="gateway", reason=silent)
        time.sleep(AGAIN_SECONDS)


def ask(path: str, seconds: float) -> str:
    """Why there is no answer within `seconds`; empty when there is one, whatever it says."""
    client = _socket.socket(_socket.AF_UNIX)
    try:
        client.settimeout(seconds)
        client.connect(path)
        client.sendall(b"GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
        answer = b""
        while len(answer) < len(b"HTTP/1.") and (more := client.recv(16)):
            answer += more
    except OSError as error:
        return error.strerror or str(error)
    finally:
        client.close()
    if not answer:
        return "it hangs up"
    return "" if answer.startswith(b"HTTP/1.") else "its answer is not HTTP"
