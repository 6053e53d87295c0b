"""How a command reaches the servers: those of the environment, else of a running `paid up`."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from temporalio.client import Client
from temporalio.service import RPCError

from paid.errors import ConfigurationError
from paid.settings import Settings, load_settings
from paid.store.database import Database
from paid.store.opening import open_database
from paid.temporal import connect
from paid.up import endpoints

Answer = TypeVar("Answer")
TEMPORAL_HINT = "Start `paid up`, or set TEMPORAL_ADDRESS to your server's host:port."


def settings() -> Settings:
    """The settings, completed from a running `paid up`."""
    return endpoints.with_running(load_settings())


@contextmanager
def database(chosen: Settings | None = None) -> Iterator[Database]:
    """The database. Raises ConfigurationError when none is named, with what to do."""
    opened = open_database(chosen or settings(), pool_size=2)
    try:
        yield opened
    finally:
        opened.close()


def ask_temporal(chosen: Settings, question: Callable[[Client], Awaitable[Answer]]) -> Answer:
    """Connect, ask, and answer. Raises ConfigurationError when Temporal does not answer."""

    async def ask() -> Answer:
        return await question(await connect(chosen))

    try:
        return asyncio.run(ask())
    except RPCError as error:
        raise ConfigurationError(
            f"Temporal at {chosen.temporal_address} refused: {error.message}.", hint=TEMPORAL_HINT
        ) from error


def tell_temporal(chosen: Settings, tell: Callable[[Client], Awaitable[object]]) -> bool:
    """Connect and tell; False when Temporal does not answer, and hears of it from a job later."""
    try:
        ask_temporal(chosen, tell)
    except ConfigurationError:
        return False
    return True


def caller() -> str:
    """Who runs the command, for the record."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):
        return "command line"
