"""`python -m paid.health PART`: what a container's health check asks; exit status 0 means well."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from paid.process_end import end_process
from paid.settings import Settings, load_settings
from paid.up import ready

RECENT_SECONDS = 90
"""A worker's poll lasts up to a minute; one that was not seen for longer is gone."""

CHECKS: dict[str, Callable[[Settings, float], bool]] = {
    "gateway": ready.gateway,
    "jobs": ready.jobs,
    "web": ready.web,
    "worker": ready.worker,
}


def main(arguments: list[str]) -> int:
    """0 when the named part does its work, 1 when not, 2 when there is no such part."""
    check = CHECKS.get(arguments[0]) if len(arguments) == 1 else None
    if check is None:
        print(f"usage: python -m paid.health {'|'.join(sorted(CHECKS))}", file=sys.stderr)
        return 2
    return 0 if check(load_settings(), time.time() - RECENT_SECONDS) else 1


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
