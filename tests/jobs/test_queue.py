"""Dramatiq on a real PostgreSQL: what is handed over is done, whoever dies on the way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

from paid.jobs.broker import JobQueue, Timing
from tests.waiting import HANGS_SECONDS, wait_until

QUICK = Timing(
    heartbeat=timedelta(seconds=0.2),
    dead_after=timedelta(seconds=5),
    first_retry=timedelta(milliseconds=50),
    last_retry=timedelta(milliseconds=200),
)

DOOMED = """
import sys, time
from datetime import timedelta
from pathlib import Path
from paid.jobs.broker import JobQueue, Timing
from tests.waiting import HANGS_SECONDS, wait_until

def work(key):
    Path(sys.argv[2]).write_text(key)
    time.sleep(600)

timing = Timing(heartbeat=timedelta(seconds=0.2), dead_after=timedelta(seconds=1.5))
queue = JobQueue(sys.argv[1], {"work": work}, timing)
queue.start()
queue.hand_over("work", "k")
time.sleep(600)
"""


def test_a_killed_workers_job_runs_again(database_url: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    doomed = subprocess.Popen([sys.executable, "-c", DOOMED, database_url, str(begun)])
    try:
        wait_until(begun.exists)
    finally:
        doomed.kill()
        doomed.wait()
    done: list[str] = []
    queue = JobQueue(database_url, {"work": done.append}, QUICK)
    queue.start()
    try:
        wait_until(lambda: bool(done))
    finally:
        queue.stop()
    assert done == ["k"]


def test_a_job_that_fails_is_tried_again(database_url: str) -> None:
    tries: list[str] = []

    def work(key: str) -> None:
        tries.append(key)
        if len(tries) < 3:
            raise ValueError("not yet")

    queue = JobQueue(database_url, {"work": work}, QUICK)
    queue.start()
    try:
        queue.hand_over("work", "k")
        wait_until(lambda: len(tries) == 3)
        time.sleep(0.5)
    finally:
        queue.stop()
    assert tries == ["k"] * 3


def test_the_same_job_handed_over_twice_waits_once(database_url: str) -> None:
    done: list[str] = []
    queue = JobQueue(database_url, {"work": done.append}, QUICK)
    queue.hand_over("work", "k")
    queue.hand_over("work", "k")
    queue.start()
    try:
        wait_until(lambda: bool(done))
        time.sleep(0.5)
    finally:
        queue.stop()
    assert done == ["k"]


def test_stopping_lets_a_job_finish(database_url: str) -> None:
    begun, finished = threading.Event(), threading.Event()

    def work(key: str) -> None:
        begun.set()
        time.sleep(0.5)
        finished.set()

    queue = JobQueue(database_url, {"work": work}, QUICK)
    queue.start()
    queue.hand_over("work", "k")
    assert begun.wait(HANGS_SECONDS)
    queue.stop()
    assert finished.is_set()
