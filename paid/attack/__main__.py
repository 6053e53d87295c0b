"""`bin/attack [AREA …]`: attacks a whole installation of its own, and shows what held.

Everything is real: containers, gateway, git, PostgreSQL, Temporal. Forge and model are the demo's,
on loopback. Exit status 1 tells that an attack got what it wanted, or that a process of the host
took too much.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from paid.attack.areas import AREAS
from paid.attack.resources import MOST_BYTES, MOST_SECONDS, Watch
from paid.attack.result import Result, failures, show
from paid.attack.stage import AttackStage
from paid.process_end import end_process

MEBIBYTE = 2**20


def main(arguments: Sequence[str]) -> int:
    """Attack, and print the tables; 1 when something broke."""
    parser = argparse.ArgumentParser(prog="bin/attack", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; all")
    parser.add_argument("--json", action="store_true", help="print the attacks as JSON")
    options = parser.parse_args(arguments)
    if unknown := set(options.areas) - set(AREAS):
        parser.error(f"{min(unknown)!r} is no area; there are {', '.join(AREAS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that it ends as by Ctrl-C
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="paid-attack-") as folder, Watch() as watch:
        Path(folder).chmod(0o711)  # PostgreSQL runs as another user below it
        with AttackStage(Path(folder)) as stage:
            for name in options.areas or AREAS:
                print(f"attacking: {name}", file=sys.stderr)
                results += _attacks(name, stage)
    show(results, as_json=options.json)
    return int(bool(failures(results)) | _show_resources(watch, quiet=options.json))


def _attacks(name: str, stage: AttackStage) -> Iterator[Result]:
    """An area's results; one that breaks off proves nothing, and the others are still tried."""
    try:
        yield from AREAS[name](stage)
    except Exception as error:
        traceback.print_exc()
        yield Result(name, "the whole area", "tried to its end", repr(error), held=False)


def _show_resources(watch: Watch, *, quiet: bool) -> bool:
    """Print what each program took; whether one took too much."""
    table = Table(title="The host meanwhile: the largest process of each program")
    for column in ("program", "peak MiB", "processor s", "life s", ""):
        table.add_column(column, justify="right")
    for name, usage in watch.by_program().items():
        mark = "" if usage.is_bounded else "TOO MUCH"
        peak = f"{usage.peak_bytes / MEBIBYTE:.0f}"
        table.add_row(name, peak, f"{usage.cpu_seconds:.1f}", f"{usage.seconds:.1f}", mark)
    too_much = [usage for usage in watch.usages if not usage.is_bounded]
    if not quiet:
        console = Console()
        console.print(table)
        console.print(
            f"aim: none over {MOST_BYTES // MEBIBYTE} MiB, or (no server) {MOST_SECONDS:.0f} s"
        )
        for usage in too_much:
            console.print(f"too much: {usage.argv}", markup=False)
    return bool(too_much)


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
