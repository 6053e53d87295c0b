"""A pytest plugin: leave the process without finalising the interpreter.

The Temporal client's Rust threads meet the finalising interpreter now and then (signal 6 or 11 in
5 to 20 % of short processes), which would turn a passed run into a failed one.
"""

from __future__ import annotations

import os
import sys

import pytest

_STATUS = pytest.StashKey[int]()


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Remember how the session went; what pytest returns later is lost with the interpreter."""
    session.config.stash[_STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End here, after everybody's own ending; workers of xdist are left to their controller."""
    if hasattr(config, "workerinput") or _STATUS not in config.stash:
        return
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.stop_global_capturing()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(config.stash[_STATUS])
