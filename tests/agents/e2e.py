"""Every agent's real program, in its image, in a locked container, through the real gateway.

    bin/agents-e2e [AGENT …] [--json]

Builds what is not installed, lets each agent do a small task against the scripted vendor, and
compares Paid's ledger with the vendor's own bill. Exit code 0 only if every agent did the task and
the two accounts agree to the micro-dollar.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from paid.agents import install, registry
from paid.agents.protocol import How
from paid.embedded import PostgresServer
from paid.errors import PaidError
from paid.settings import Settings
from paid.store.database import Database
from tests.agents.rig import Played, Rig, running

NAMES = tuple(registry.names())
OWN_PROGRAM = Path(__file__).with_name("own_program.py")
ASKED_AGAIN = "Thank you. Is it done?"
PROGRESS = Console(stderr=True)


@dataclass(frozen=True)
class Row:
    """One line of the table. `continues` is None for an agent that keeps no session."""

    agent: str
    version: str
    paths: str
    requests: int
    seconds: float
    vendor_microdollars: int
    ledger_microdollars: int
    done: bool
    continues: bool | None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the agent did its task, went on with its session, and both accounts agree."""
        agreed = self.vendor_microdollars == self.ledger_microdollars > 0
        return self.done and agreed and self.continues is not False


def try_agent(rig: Rig, name: str) -> Row:
    """Let one agent do the task, and go on with its session where it can."""
    PROGRESS.print(f"{name}: building its image", style="dim")
    install.install(name, Settings(), lambda _: None)
    PROGRESS.print(f"{name}: working", style="dim")
    argv = ("python3", "-c", OWN_PROGRAM.read_text()) if name == "command" else ()
    first = rig.play(name, argv=argv)
    done = first.ending.how is How.FINISHED and first.files.get("hello.txt") == "Hello."
    plays = [first]
    continues = None
    if registry.get(name).continues:
        arrived = len(rig.model.requests)
        plays.append(rig.play(name, ASKED_AGAIN, first.session_id, argv))
        bodies = [seen.body.decode() for seen in rig.model.requests[arrived:]]
        continues = any("Write a greeting" in body and ASKED_AGAIN in body for body in bodies)
    return _row(name, plays, done=done, continues=continues)


def _row(name: str, plays: list[Played], *, done: bool, continues: bool | None) -> Row:
    bill = [entry for played in plays for entry in played.bill]
    return Row(
        agent=name,
        version=registry.get(name).image.version,
        paths=" ".join(sorted({entry.path.split(":")[-1] for entry in bill})),
        requests=len(bill),
        seconds=round(plays[0].seconds, 1),
        vendor_microdollars=sum(played.billed_microdollars for played in plays),
        ledger_microdollars=plays[-1].ledger_microdollars,
        done=done,
        continues=continues,
        note="" if done else plays[0].ending.message[-200:] or plays[0].output[-200:],
    )


def try_all(names: list[str]) -> list[Row]:
    """A row for each agent; one that cannot be tried fails and does not stop the others."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="paid-e-") as folder:
        server = PostgresServer(Path(folder) / "pg", durable=False)
        server.start()
        try:
            url = server.create_database("agents")
            database = Database(url)
            database.migrate()
            database.close()
            with running(Path(folder), url) as rig:
                for name in names:
                    rows.append(_try_or_tell(rig, name))
        finally:
            server.destroy()
    return rows


def _try_or_tell(rig: Rig, name: str) -> Row:
    try:
        return try_agent(rig, name)
    except PaidError as error:
        version = registry.get(name).image.version
        return Row(name, version, "", 0, 0, 0, 0, done=False, continues=None, note=str(error))


def show(rows: list[Row]) -> None:
    """The table for people."""
    table = Table("agent", "version", "vendor's paths", "requests", "seconds")
    for title in ("vendor's bill, µ$", "ledger, µ$"):
        table.add_column(title, justify="right")
    table.add_column("continues")
    table.add_column("result")
    for row in rows:
        table.add_row(
            row.agent,
            row.version,
            row.paths,
            str(row.requests),
            f"{row.seconds:.1f}",
            f"{row.vendor_microdollars:,}",
            f"{row.ledger_microdollars:,}",
            {True: "yes", False: "NO", None: "-"}[row.continues],
            "ok" if row.passed else f"FAILED {row.note}",
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def main() -> int:
    """Parse, try, print."""
    parser = argparse.ArgumentParser(prog="bin/agents-e2e", description=__doc__)
    parser.add_argument("agents", nargs="*", metavar="AGENT", help=f"one of {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true", help="print one JSON object, not a table")
    options = parser.parse_args()
    for name in options.agents:
        registry.get(name)
    rows = try_all(options.agents or list(NAMES))
    if options.json:
        agents = [{**asdict(row), "passed": row.passed} for row in rows]
        sys.stdout.write(json.dumps({"agents": agents}) + "\n")
    else:
        show(rows)
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
