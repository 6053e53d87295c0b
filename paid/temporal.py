"""The one place where a Temporal client is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Self

from temporalio import activity
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from paid.errors import ConfigurationError, DatabaseError, DockerUnavailableError, PaidError
from paid.settings import Settings


class OnePayloadConverter(PydanticPayloadConverter):
    """The same instance each time: the SDK makes two for every workflow task.

    Each would be built anew, and forget what pydantic has made of our dataclasses, a millisecond
    of a processor for each of them.
    """

    _one: ClassVar[Self | None] = None

    def __new__(cls) -> Self:
        """The one instance."""
        if cls._one is None:
            cls._one = super().__new__(cls)
            PydanticPayloadConverter.__init__(cls._one)
        return cls._one

    def __init__(self) -> None:
        """Nothing: `__new__` has done it, once."""


CONVERTER = DataConverter(payload_converter_class=OnePayloadConverter)
"""Shared by clients, workers and the Replayer: one way to write payloads, whoever reads them."""


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """A client of the configured server and namespace. Raises ConfigurationError.

    Args:
        lazy: connect at the first call, for programs that must start while Temporal is down.
    """
    try:
        return await Client.connect(
            settings.temporal_address,
            namespace=settings.temporal_namespace,
            data_converter=CONVERTER,
            lazy=lazy,
        )
    except (RuntimeError, RPCError) as error:
        raise ConfigurationError(
            f"Temporal does not answer at {settings.temporal_address}.",
            hint="Start `paid up`, or set TEMPORAL_ADDRESS to your server's host:port.",
        ) from error


async def require_namespace(client: Client) -> None:
    """Raise ConfigurationError when the server has no namespace of the client's name."""
    asked = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(asked, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        raise ConfigurationError(
            f"Temporal has no namespace {client.namespace!r}.",
            hint="`temporal-config/prepare-namespace` makes it; or correct TEMPORAL_NAMESPACE.",
        ) from error


RPC_TIMEOUT = timedelta(seconds=10)
"""For calls that a person waits for."""


LONGEST_MESSAGE = 2000
"""Characters of an error that go into a workflow's history; the whole is in the run's events."""


ENGINE_PAUSE_SECONDS = 5.0
LONGEST_ENGINE_PAUSE_SECONDS = 60.0
"""A step that lost Docker tries again after 5, 25 and then 60 s: an engine's restart takes longer
than the retry policy's first pauses together."""
LONGEST_DATABASE_PAUSE_SECONDS = 5.0
"""Nothing goes on without PostgreSQL, and a look at it costs it little: work begins soon after."""


class ErrorTranslation(Interceptor):
    """Turns a PaidError that leaves an activity into what Temporal understands.

    The error itself says whether a retry can help, and after how long; its code travels as the
    first detail.
    """

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Wrap the next interceptor."""
        return _Translating(next)


class _Translating(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except PaidError as error:
            raise as_application_error(error, activity.info().attempt) from error


def as_application_error(error: PaidError, attempt: int = 1) -> ApplicationError:
    """The same error in Temporal's words."""
    seconds = error.retry_after_seconds
    if seconds is None and isinstance(error, DockerUnavailableError):
        seconds = min(ENGINE_PAUSE_SECONDS**attempt, LONGEST_ENGINE_PAUSE_SECONDS)
    elif seconds is None and isinstance(error, DatabaseError):
        seconds = min(2.0 ** (attempt - 1), LONGEST_DATABASE_PAUSE_SECONDS)
    delay = None if seconds is None else timedelta(seconds=seconds)
    return ApplicationError(
        str(error)[:LONGEST_MESSAGE],
        error.code,
        type=type(error).__name__,
        non_retryable=not error.retryable or error.workflow_waits,
        next_retry_delay=delay,
    )
