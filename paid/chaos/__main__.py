"""`bin/chaos`: one round, the judge's findings, the table."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from paid.chaos import dossier, table
from paid.chaos.judge import judge
from paid.chaos.options import Options, parse
from paid.chaos.plan import Blow, plan
from paid.chaos.round import Round
from paid.chaos.stage import Stage
from paid.errors import PaidError
from paid.process_end import end_process, was_interrupted

WRONG, INTERRUPTED = 1, 130


def main(arguments: Sequence[str]) -> int:
    """0 when nothing is lost, doubled, stuck or left; 1 otherwise; 130 after Ctrl-C."""
    options = parse(arguments)
    blows = plan(options.seed, options.kills)
    if options.plan:
        print("\n".join(map(str, blows)))
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    folder = options.keep or Path(tempfile.mkdtemp(prefix="paid-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)  # PostgreSQL's account passes through
    try:
        code = play(options, blows, folder)
    except (Exception, KeyboardInterrupt) as error:
        if was_interrupted(error):
            _say("Stopped; what was started has been ended and removed.")
            code = INTERRUPTED
        elif isinstance(error, PaidError):
            _say(str(error))
            code = WRONG
        else:
            raise
    _tidy(folder, keeps=code == WRONG or options.keep is not None)
    return code


def play(options: Options, blows: list[Blow], folder: Path) -> int:
    """One round; what is wrong goes to the folder `findings`."""
    _say(f"{len(blows)} blows, seed {options.seed}, one every {options.interval_seconds:g} s")
    with Stage(folder, options.seed, options.agents) as stage:
        outcome = Round(stage, options.at_once, options.interval_seconds, _say).play(blows)
        findings = judge(outcome.evidence)
        if findings:
            dossier.keep(folder / "findings", stage, outcome.evidence, findings)
    told = table.facts(outcome, findings, options.seed)
    print(table.as_json(told, findings) if options.json else table.markdown(told))
    for line in (*told["longest pauses"], *findings):
        _say(str(line))
    return WRONG if findings else 0


def _tidy(folder: Path, *, keeps: bool) -> None:
    """Keep what tells the cause; the forge's repositories and the mirrors tell nothing."""
    if not keeps:
        shutil.rmtree(folder, ignore_errors=True)
        return
    for name in ("forge", "data/mirrors", "data/workspaces", "data/temporal", "data/keys"):
        shutil.rmtree(folder / name, ignore_errors=True)
    _say(f"Logs, and what is known of the runs that are named: {folder}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
