"""A flood of output ends in the container, and what is read is read once."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from paid.activities.turn_log import TurnLog
from paid.agents import registry
from paid.containers.contract import LogLine
from paid.containers.image.paid_step import processes
from paid.containers.image.paid_step.output import BoundedOutput
from paid.containers.logs import FrameReader
from paid.containers.reports import ReportReader
from paid.store import steps
from paid.store.database import Database
from tests.containers.bench import Bench
from tests.containers.test_logs import START, Frame, response
from tests.store.rows import make_run


def bounded(tmp_path: Path, script: str, most_bytes: int) -> tuple[bytes, bytes]:
    """What is passed on of a program's output and errors."""
    places = [tmp_path / "out", tmp_path / "errors"]
    files = [os.open(place, os.O_CREAT | os.O_WRONLY) for place in places]
    output = BoundedOutput(most_bytes, (files[0], files[1]))
    output.start()
    pid = processes.start([sys.executable, "-c", script], os.environ, None, *output.ends)
    output.started()
    os.waitpid(pid, 0)
    output.finish(30)
    for file in files:
        os.close(file)
    return places[0].read_bytes(), places[1].read_bytes()


def test_output_is_passed_on_as_it_is(tmp_path: Path) -> None:
    script = "import sys; print('one'); print('two', file=sys.stderr)"
    assert bounded(tmp_path, script, 1000) == (b"one\n", b"two\n")


def test_a_flood_is_cut_with_one_marker_and_does_not_hold_its_program_up(tmp_path: Path) -> None:
    script = "import sys\nfor n in range(300): sys.stdout.write(f'{n} ' + 'x' * 100_000)"
    out, errors = bounded(tmp_path, script, 50_000)
    assert out[:2] == b"0 "
    assert out.count(b"[the output is cut here") == 1
    assert len(out) < 51_000
    assert errors == b""


def test_a_flood_that_fills_the_limit_to_the_byte_is_marked_all_the_same(tmp_path: Path) -> None:
    script = "import os, time\nfor n in range(3): os.write(1, b'x' * 1000); time.sleep(0.2)"
    out, _ = bounded(tmp_path, script, 1000)
    assert out.startswith(b"x" * 1000)
    assert out.count(b"[the output is cut here") == 1


def test_both_pipes_share_the_limit(tmp_path: Path) -> None:
    script = "import sys\nfor n in range(99): print('x' * 999); print('y' * 999, file=sys.stderr)"
    out, errors = bounded(tmp_path, script, 50_000)
    assert len(out) + len(errors) < 51_000
    assert (out + errors).count(b"[the output is cut here") == 1


def test_a_process_that_keeps_the_pipe_holds_nothing_up(tmp_path: Path) -> None:
    output = BoundedOutput(1000, (1, 2))
    output.start()
    kept = os.dup(output.ends[0])
    output.started()
    began = time.monotonic()
    output.finish(0.2)
    assert time.monotonic() - began < 20
    os.close(kept)


def test_a_connection_that_breaks_beside_a_half_read_line_repeats_none() -> None:
    """Which is how one line of a flood stood twice."""
    frames: list[Frame] = [
        (1, START, b"one\n"),
        (2, START + 1, b"half of"),
        (1, START + 2, b"two\n"),
        (1, START + 3, b"three\n"),
        (2, START + 4, b" a line\n"),
        (1, START + 5, b"four\n"),
    ]
    reader = FrameReader(None)
    first = [line.text for line in reader.lines(response(frames[:4], None).read)]
    then = [line.text for line in reader.lines(response(frames, reader.since).read)]
    assert [*first, *then] == ["one", "two", "three", "half of a line", "four"]


def log_of(database: Database, run_id: int, number: int, most_characters: int) -> TurnLog:
    with database.session() as session:
        hold = steps.begin(session, run_id, 1, "agent", number, "name")
    return TurnLog(
        database, hold, registry.get("codex").transcript(), ReportReader(b"key"),
        on_loop=lambda: None, most_characters=most_characters,
    )  # fmt: skip


def stored(database: Database, run_id: int) -> list[str]:
    with database.session() as session:
        batches = steps.output_after(session, run_id, 0, limit=10_000)
        return "\n".join(batch.text for batch in batches).split("\n")


def test_a_run_stores_so_much_and_a_marker(database: Database) -> None:
    run_id = make_run(database)
    for turn in (1, 2):
        log = log_of(database, run_id, turn, most_characters=1000)
        for number in range(300):
            log.take(LogLine(f"{turn}/{number}/0", "stdout", f"line {number}"))
        log.flush()
    lines = stored(database, run_id)
    assert lines[:2] == ["line 0", "line 1"]
    assert sum(len(line) + 1 for line in lines) < 1300
    assert sum("the output is cut here" in line for line in lines) in (1, 2), "one a turn at most"


def test_a_flood_of_an_agent_ends_its_turn_in_time(bench: Bench) -> None:
    script = (
        "import sys\nsys.stdout.write('x' * 100_000_000)\n"
        "for n in range(40): sys.stdout.write(''.join(f'{n} {m}\\n' for m in range(500_000)))\n"
    )
    began = time.monotonic()
    done = bench.python(script)
    assert done.report("agent_exit")["code"] == 0
    assert time.monotonic() - began < 120
