"""`python -m web`: the dashboard alone, against the servers that the environment names."""

from __future__ import annotations

from paid.logs import configure_logs
from paid.program import run_program
from web.server import serve

if __name__ == "__main__":
    configure_logs()
    run_program("web", "The dashboard alone.", serve)
