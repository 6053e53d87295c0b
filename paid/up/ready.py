"""How each part shows that it does its work."""

from __future__ import annotations

import asyncio
import http.client
import socket

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest

from paid.errors import ConfigurationError
from paid.jobs.schedules import jobs_queue
from paid.settings import Settings
from paid.temporal import connect

ANSWER_SECONDS = 2


def gateway(settings: Settings, _since: float) -> bool:
    """Somebody accepts connections on the gateway's socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect(str(settings.gateway_socket_path))
        except OSError:
            return False
    return True


def web(settings: Settings, _since: float) -> bool:
    """The dashboard says that it is well."""
    connection = http.client.HTTPConnection(
        settings.web_host, settings.web_port, timeout=ANSWER_SECONDS
    )
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker(settings: Settings, since: float) -> bool:
    """Somebody who came after the start asks Temporal for runs."""
    return asyncio.run(_polled(settings, settings.temporal_task_queue, since))


def jobs(settings: Settings, since: float) -> bool:
    """Somebody who came after the start asks Temporal for periodic jobs."""
    return asyncio.run(_polled(settings, jobs_queue(settings.temporal_task_queue), since))


async def _polled(settings: Settings, queue: str, since: float) -> bool:
    """Temporal lists pollers for minutes after their end, so the time of their last call counts."""
    try:
        client = await connect(settings)
    except ConfigurationError:
        return False
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=settings.temporal_namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    return any(poller.last_access_time.ToSeconds() >= int(since) for poller in answer.pollers)
