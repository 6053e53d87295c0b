"""`paid logs [-f] RUN`: what a run did and said, live."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Annotated, Any

import psycopg
import typer
from psycopg import sql
from sqlmodel import col, select

from paid.cli import connection, output
from paid.cli.event_lines import line
from paid.cli.output import Json, plain
from paid.cli.runs import RunNumber
from paid.errors import DatabaseError
from paid.models import Event, Output
from paid.store import events, runs
from paid.store.database import Database, libpq_url

BATCH = 500
WAKE_SECONDS = 2.0
"""A NOTIFY may be lost with its connection; the rows are read this often anyway."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("logs")(logs)


def logs(
    number: RunNumber,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run ends.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--output", help="The agent's output as it came, not the events.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a run did and said.

    With --json each line is one JSON object.

    [dim]paid logs -f 12[/]
    [dim]paid logs 12 --output[/]
    """
    with connection.database() as database:
        reader = OutputReader(database, number) if raw else EventReader(database, number)
        for text in reader.follow() if follow else reader.rest():
            _print(text, as_json)


def _print(item: dict[str, Any], as_json: bool) -> None:
    if as_json:
        output.print_json(item, in_one_line=True)
    else:
        text = item["text"] if "text" in item else line(item)
        if text:
            print(text)
    sys.stdout.flush()


class Reader:
    """Reads a run's rows from where it stopped; `follow` waits for more until the run ends."""

    channel: str

    def __init__(self, database: Database, run_id: int) -> None:
        self._database = database
        self._run_id = run_id
        self._place = 0
        with database.session() as session:
            runs.get(session, run_id)

    def rest(self) -> Iterator[dict[str, Any]]:
        """Everything that is there by now and was not read yet."""
        while batch := self._batch():
            for place, item in batch:
                self._place = place
                yield item

    def follow(self) -> Iterator[dict[str, Any]]:
        """Everything, and what comes, until the run has ended.

        Raises DatabaseError when PostgreSQL goes away meanwhile.
        """
        try:
            yield from self._everything()
        except psycopg.OperationalError as error:
            raise DatabaseError(
                "PostgreSQL went away while the run was followed.",
                hint=f"The run goes on when Paid is up; see it with `paid logs -f {self._run_id}`.",
            ) from error

    def _everything(self) -> Iterator[dict[str, Any]]:
        with psycopg.connect(libpq_url(self._database.url), autocommit=True) as listener:
            listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))
            ended = False
            while True:
                yield from self.rest()
                if ended:
                    return
                ended = self._has_ended()
                if not ended:
                    _wait(listener)

    def _batch(self) -> list[tuple[int, dict[str, Any]]]:
        raise NotImplementedError

    def _has_ended(self) -> bool:
        with self._database.session() as session:
            return runs.get(session, self._run_id).ended


class EventReader(Reader):
    """The run's events."""

    channel = events.CHANNEL

    def _batch(self) -> list[tuple[int, dict[str, Any]]]:
        with self._database.session() as session:
            found = events.of_run(session, self._run_id, self._place, BATCH)
        return [(event.seq or 0, _as_item(event)) for event in found]


class OutputReader(Reader):
    """The lines that its agent and checks wrote."""

    channel = events.OUTPUT_CHANNEL

    def _batch(self) -> list[tuple[int, dict[str, Any]]]:
        question = (
            select(Output)
            .where(Output.run_id == self._run_id, col(Output.id) > self._place)
            .order_by(col(Output.id))
            .limit(BATCH)
        )
        with self._database.session() as session:
            found = list(session.exec(question))
        return [
            (row.id or 0, {"step": row.step_id, "at": row.at, "text": plain(row.text)})
            for row in found
        ]


def _as_item(event: Event) -> dict[str, Any]:
    return {"id": event.id, "at": event.at, "kind": event.kind, "data": event.data}


def _wait(listener: psycopg.Connection) -> None:
    """Until something was told, or a moment has passed."""
    for _ in listener.notifies(timeout=WAKE_SECONDS, stop_after=1):
        pass
