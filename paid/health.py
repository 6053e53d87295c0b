"""How each part shows that it does its work.

`python -m paid.health PART` asks from outside, for a container's health check: 0 means well. It
imports little, because such a check runs twice a minute for each part.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from paid.errors import ConfigurationError
from paid.jobs.schedules import jobs_queue
from paid.process_end import end_process
from paid.settings import Settings, load_settings
from paid.temporal import connect

ANSWER_SECONDS = 2
EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not bound
RECENT_SECONDS = 90
"""A worker's poll lasts up to a minute; one that was not seen for longer is gone."""
LISTED_SECONDS = 300
"""For so long Temporal lists who asked it for work (its `pollerHistoryTTL`)."""


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
    everywhere = settings.web_host in EVERY_ADDRESS
    host = "127.0.0.1" if everywhere else settings.web_host
    connection = http.client.HTTPConnection(host, settings.web_port, timeout=ANSWER_SECONDS)
    public_name = urlsplit(settings.dashboard_url).netloc  # it answers under no other
    try:
        connection.request("GET", "/health", headers={"Host": public_name})
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
    try:
        client = await connect(settings)
    except ConfigurationError:
        return False
    return await is_polled(client, queue, since)


async def is_polled(client: Client, queue: str, since: float) -> bool:
    """Whether somebody asked for work on a queue at or after `since`, in seconds of the epoch.

    Temporal lists pollers for minutes after their end, so the time of their last call counts.
    Where that is longer ago than it lists anybody, our clock is ahead: to be listed is enough.
    """
    answer = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
    )
    too_long_ago = time.time() - 2 * LISTED_SECONDS
    asked = [poller.last_access_time.ToSeconds() for poller in answer.pollers]
    return any(at >= int(since) or at < too_long_ago for at in asked)


CHECKS: dict[str, Callable[[Settings, float], bool]] = {
    "gateway": gateway,
    "jobs": jobs,
    "web": web,
    "worker": worker,
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
