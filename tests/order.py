"""A pytest plugin: which tests of the parallel suite share a process, and which begin first.

Files begin in the order of their names, but for those of FIRST: the acceptance tests, which take
longest, come early, and nobody waits at the end for a file that only one process can run.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/acceptance/wired/",)
"""Folders whose tests share servers that take long to start."""
FIRST = ("tests/workflows/test_agent_execution.py",)
"""Files that take a minute, most of it in waiting, and would begin when all others end."""


def unit_of(test: str) -> str:
    """What is given to one process as a whole: a file, or a folder of TOGETHER."""
    file = test.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


class InOrder(LoadFileScheduling):  # type: ignore[misc]
    """Gives units to processes as these become free."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put FIRST first; all others stay in the order of their names."""
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> InOrder:
    """Take the place of `--dist loadfile`, which begins with the files of most tests."""
    config.option.loadscopereorder = False
    return InOrder(config, log)
