"""What the labelled issues ask for: a pure function of the seed and the issue's place."""

from __future__ import annotations

import inspect
import random
from dataclasses import dataclass

from paid.chaos import program

CHECK = """import pathlib, sys, time
for number in range(3):
    print("check", number, flush=True)
    time.sleep(0.5)
work = pathlib.Path("work.txt")
sys.exit(work.exists() and work.read_text().endswith("draft\\n"))
"""
FILES = {"README.md": "Work for chaos.\n", "check.py": CHECK}
CHECKS = [["python3", "check.py"]]
AGENT_COMMAND = ["python3", "-c", inspect.getsource(program)]


@dataclass(frozen=True)
class Task:
    """One issue's work: how often the agent asks, how long an answer takes, how many rounds."""

    mark: str
    asks: int
    seconds: int
    rounds: int

    @property
    def body(self) -> str:
        """The issue's text: a line for the agent of this room, and a scenario for any other."""
        return (
            f"chaos-mark:{self.mark} asks:{self.asks} seconds:{self.seconds} rounds:{self.rounds}\n"
            f"\nScenario: slow {self.seconds}\n"
        )


def task(seed: int, number: int) -> Task:
    """The task of the round's issue of this number. An agent works for 5 to 15 seconds a round."""
    chance = random.Random(f"paid chaos {seed} task {number}")  # noqa: S311 - a plan, not a secret
    return Task(
        mark=f"m{seed}-{number}",
        asks=chance.randint(2, 4),
        seconds=chance.randint(2, 4),
        rounds=2 if chance.random() < 0.2 else 1,
    )
