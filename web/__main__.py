"""`python -m web`: the dashboard alone, against the servers that the environment names."""

from __future__ import annotations

import asyncio
import signal
import sys

from paid.errors import PaidError
from paid.logs import configure_logs
from paid.process_end import end_process
from paid.settings import load_settings
from web.server import serve


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    configure_logs()
    try:
        asyncio.run(_serve_until_signalled())
    except PaidError as error:
        print(f"paid web: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve_until_signalled() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await serve(load_settings(), stop)


if __name__ == "__main__":
    end_process(main())
