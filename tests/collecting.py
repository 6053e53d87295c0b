"""A pytest plugin: collect thousands of tests for half of what it costs each process otherwise.

Every process of the parallel suite collects all tests, though it runs only its part.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Keep compiled tests also where PYTHONDONTWRITEBYTECODE is set: rewriting them takes 6 s."""
    sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage meanwhile, nor later among what stays to the end anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
