"""`paid up`, and the link that signs a browser in."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import typer

from paid.cli import connection, output
from paid.cli.output import Json, say, shown
from paid.doctor import State, containers, examine, machine, services
from paid.settings import load_settings
from paid.up.installation import EmbeddedPaid
from paid.up.login import new_login_url

ADVICE = (*machine.CHECKS, *containers.CHECKS, services.KEYS)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command("up")(up)
    app.command("login-link")(login_link)


def up(as_json: Json = False) -> None:
    """Start everything on this machine; Ctrl-C stops it all.

    PostgreSQL and Temporal run as child processes, with their data in PAID_DATA_DIR; servers that
    DATABASE_URL or TEMPORAL_ADDRESS name are used instead. Then the gateway (it holds the model
    keys), a worker, the job runner and the dashboard.

    [dim]ANTHROPIC_API_KEY=… paid up[/]
    """
    settings = load_settings()
    speak = _to_stderr if as_json else _progress
    paid = EmbeddedPaid(settings, say=speak)
    with _interruptible() as interrupted:
        try:
            with suppress(KeyboardInterrupt):
                paid.start()
                _announce(paid, as_json)
                _wait(interrupted)
        finally:
            interrupted.set()
            paid.stop()
    speak("stopped; nothing is left running but the containers of open runs")


def _announce(paid: EmbeddedPaid, as_json: bool) -> None:
    link = paid.login_url
    if as_json:
        told = {"dashboard_url": paid.dashboard_url, "login_url": link}
        told |= {"temporal_ui_url": paid.settings.temporal_ui_url or ""}
        output.print_json(told)
        sys.stdout.flush()
        return
    _advise(paid)
    say(f"\n[bold green]Paid is up.[/] Open the dashboard (the link works once):\n\n  {link}\n")
    say("Watch a repository with `paid project add OWNER/REPO`. Ctrl-C stops everything.\n")


def _advise(paid: EmbeddedPaid) -> None:
    """What a first run will miss, said before somebody waits for it."""
    for finding in examine(paid.settings, checks=ADVICE):
        if finding.state == State.BROKEN:
            say(f"[yellow]![/] {shown(finding.name)}: {shown(finding.detail)}")
            say(f"  → {shown(finding.mend)}")


def _progress(line: str) -> None:
    say(f"[green]•[/] {shown(line)}")
    sys.stdout.flush()


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _wait(interrupted: threading.Event) -> None:
    """Until a signal; in slices, because Python handles signals between them."""
    while not interrupted.wait(3600):
        pass


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """SIGINT, SIGTERM and SIGHUP break off what goes on, once; later ones change nothing."""
    interrupted = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if not interrupted.is_set():
            interrupted.set()
            raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def login_link(as_json: Json = False) -> None:
    """Make a new link that signs one browser in to the dashboard, once, within the hour."""
    link = new_login_url(connection.settings())
    if as_json:
        output.print_json({"login_url": link})
    else:
        print(link)
