"""`python -m paid.gateway`: the gateway alone, until SIGTERM or SIGINT."""

from __future__ import annotations

import logging

import uvloop

from paid.gateway.server import serve
from paid.program import run_program

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    run_program(
        "gateway",
        "The gateway alone: it holds the model keys, and is all that containers can talk to.",
        serve,
        run=uvloop.run,
    )
