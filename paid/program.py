"""How `bin/temporal-worker`, `bin/web`, `bin/jobs` and `bin/gateway` begin and end."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

from paid.errors import PaidError
from paid.process_end import end_process
from paid.settings import Settings, load_settings

Serve = Callable[[Settings, asyncio.Event], Awaitable[None]]
_SERVERS = """DATABASE_URL and TEMPORAL_ADDRESS (or TEMPORAL_HOST), TEMPORAL_NAMESPACE and
TEMPORAL_TASK_QUEUE name the servers; docs/team.md has the usual variables, paid/settings.py all."""


def run_program(
    name: str,
    purpose: str,
    serve: Serve,
    *,
    run: Callable[[Coroutine[Any, Any, None]], None] = asyncio.run,
) -> NoReturn:
    """Serve until SIGINT or SIGTERM, and end the process.

    What Paid foresaw is told in a sentence, with what to do, and is exit code 1: a missing or odd
    setting, a server that does not answer. `run` is the event loop's.
    """
    argparse.ArgumentParser(prog=f"bin/{name}", description=purpose, epilog=_SERVERS).parse_args()
    try:
        run(_until_signalled(serve))
    except PaidError as error:
        print(f"{name}: {error}", file=sys.stderr)
        end_process(1)
    end_process(0)


async def _until_signalled(serve: Serve) -> None:
    settings, stop = load_settings(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(settings, stop)
