"""What `bin/chaos` was asked to do."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DESCRIPTION = """Kills and freezes a whole Paid while it works, and judges what is left.

Real processes (`paid up`: worker, gateway, jobs, web, PostgreSQL, Temporal), real containers, a
forge and a model on loopback. Labelled issues are worked on all the while. Blows: kill -9 and
freezes of each process, kills between two calls to Docker, containers destroyed or paused, the
engine away, everything killed at once; faults of forge and vendor beside them. It signals only
processes that it has started itself."""
EPILOG = """Exit code 0: nothing is lost, doubled, stuck or left behind, and no ledger entry, output
line or event chain is wrong. 1: something is; what is known of each such run is kept in the folder
that is named at the end. 130: Ctrl-C. The blows are a function of the seed; where exactly they hit
depends on the machine, too."""


@dataclass(frozen=True)
class Options:
    """`keep` of None is a temporary folder, which stays only when something is wrong."""

    kills: int
    seed: int
    interval_seconds: float
    at_once: int
    agents: tuple[str, ...]
    plan: bool
    json: bool
    keep: Path | None


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line; help and mistakes end the program as argparse does."""
    parser = argparse.ArgumentParser(
        prog="bin/chaos",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="blows (default 20)")
    parser.add_argument("--seed", type=int, metavar="N", help="of the plan (default: a random one)")
    parser.add_argument(
        "--interval", type=float, default=15, metavar="SECONDS",
        help="from one blow to the next (default 15)",
    )  # fmt: skip
    parser.add_argument(
        "--at-once", type=int, default=4, metavar="N",
        help="issues that are worked on together (default 4)",
    )  # fmt: skip
    parser.add_argument(
        "--agents", default="command,command", metavar="NAME,…",
        help="a project for each; `command` is an agent of this program's own, which counts its "
        "lines (default command,command; codex is another one)",
    )  # fmt: skip
    parser.add_argument("--plan", action="store_true", help="print the blows and end")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="work in it, and keep it")
    given = parser.parse_args(arguments)
    if given.kills < 0 or given.interval <= 0 or given.at_once < 1:
        parser.error("--kills, --interval and --at-once are positive numbers")
    return Options(
        kills=given.kills,
        seed=secrets.randbelow(10_000) if given.seed is None else given.seed,
        interval_seconds=given.interval,
        at_once=given.at_once,
        agents=tuple(given.agents.split(",")),
        plan=given.plan,
        json=given.json,
        keep=given.keep,
    )
