"""The agent of `bin/chaos`: this file's text runs in the container, as the project's agent command.

It asks a model several times and tries again for minutes, as a patient client does; it says a
numbered line twice a second meanwhile, so that a lost or doubled line shows; and where its task
says two rounds, it leaves a draft first, which the project's check refuses.
"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import re
import sys
import threading
import time
import urllib.request

TASK = r"chaos-mark:[a-z0-9-]+ asks:\d+ seconds:\d+ rounds:\d+"
PATIENCE_SECONDS = 240
LINE_SECONDS = 0.5
WORK = pathlib.Path("work.txt")
SHELL = {
    "type": "function",
    "name": "shell",
    "parameters": {
        "type": "object",
        "properties": {"command": {"type": "string"}},
        "required": ["command"],
    },
}


def main() -> int:
    """One turn; 0 when all its asks were answered."""
    task, before = _task(sys.stdin.read())
    mark, asks, seconds, rounds = re.findall(r":([a-z0-9-]+)", task)
    WORK.write_text(f"{task}\n{before}\n")
    done = threading.Event()
    talking = threading.Thread(target=_talk, args=(mark, done))
    talking.start()
    try:
        answered = all(_ask(mark, number, seconds) for number in range(int(asks)))
    finally:
        done.set()
        talking.join()
    drafts = int(rounds) > 1 and before != "draft"
    WORK.write_text(f"{task}\n{'draft' if drafts else 'done'}\n")
    return 0 if answered else 1


def _task(prompt: str) -> tuple[str, str]:
    """The task's line, and how far an earlier turn came."""
    if WORK.exists():
        task, before = WORK.read_text().splitlines()
        return task, before
    found = re.search(TASK, prompt)
    if found is None:
        raise SystemExit("The prompt holds no task of bin/chaos.")
    return found[0], "begun"


def _talk(mark: str, done: threading.Event) -> None:
    number = 0
    while not done.wait(LINE_SECONDS):
        number += 1
        print(f"{mark} line {number}", flush=True)
    print(f"{mark} said {number} lines", flush=True)


def _ask(mark: str, number: int, seconds: str) -> bool:
    """Ask until an answer is whole; False when there was none for too long."""
    began, pause = time.monotonic(), 0.5
    while (waited := time.monotonic() - began) < PATIENCE_SECONDS:
        try:
            if _answer(mark, number, seconds):
                return True
        except (OSError, ValueError, http.client.HTTPException) as error:
            # Another text each time: who says the same thing again and again is ended by Paid.
            print(f"{mark} ask {number} after {waited:.1f} s: {error!r}", flush=True)
        time.sleep(pause)
        pause = min(2 * pause, 4)
    print(f"{mark} had no answer for {PATIENCE_SECONDS} s", flush=True)
    return False


def _answer(mark: str, number: int, seconds: str) -> bool:
    """Whether one answer came to its end. Each ask is of another length, so of another price."""
    request = urllib.request.Request(  # noqa: S310 - the gateway's own address
        os.environ["PAID_GATEWAY_URL"] + "/openai/v1/responses",
        data=json.dumps(_body(mark, number, seconds)).encode(),
        headers={
            "Authorization": "Bearer " + os.environ["PAID_RUN_TOKEN"],
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        return b"response.completed" in answer.read()


def _body(mark: str, number: int, seconds: str) -> dict[str, object]:
    words = f"Scenario: slow {seconds}\nchaos-mark:{mark}\n" + "and again " * (10 * number)
    call = {"type": "function_call", "call_id": "call_1", "name": "shell", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "call_1", "output": "done"}
    return {
        "model": "gpt-5.2",
        "max_output_tokens": 1000,
        "stream": True,
        "tools": [SHELL],
        "input": [{"type": "message", "role": "user", "content": words}, call, output],
    }


if __name__ == "__main__":
    sys.exit(main())
