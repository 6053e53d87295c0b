"""temporal-config/ on the production Temporal server with PostgreSQL: a workflow goes through it,
and survives the server's restart."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

from paid.embedded import PostgresServer, temporal_binary
from paid.embedded.process import Command, ServerProcess
from paid.settings import load_settings
from paid.setup import temporal_production
from paid.setup.temporal_production import Installation
from tests.conftest import missing
from tests.ports import free_ports

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]

CONFIG = Path(__file__).parents[2] / "temporal-config"
NAMESPACE = "a-team"


@activity.defn
async def greet(name: str) -> str:
    return f"hello, {name}"


@workflow.defn(sandboxed=False)
class Greeting:
    """Greets at once, and again when it is told to end."""

    def __init__(self) -> None:
        self._may_end = False

    @workflow.run
    async def run(self, name: str) -> list[str]:
        said = [await self._greet(name)]
        await workflow.wait_condition(lambda: self._may_end)
        return [*said, await self._greet(name)]

    @workflow.signal
    def end(self) -> None:
        self._may_end = True

    async def _greet(self, name: str) -> str:
        return await workflow.execute_activity(
            greet, name, start_to_close_timeout=timedelta(seconds=10)
        )


@pytest.fixture(scope="module")
def programs() -> Installation:
    found = temporal_production.installed(load_settings().cache_dir)
    if found is None:
        missing("the production server is not built: bin/setup --dev --production-temporal")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def environment(
    programs: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """What docker-compose.yml gives the server, for a PostgreSQL and ports of this test's own."""
    first = free_ports(1 + 4 + 4)
    sql_port, port, membership = first, first + 1, first + 5
    home = tmp_path_factory.mktemp("temporal")
    postgres = PostgresServer(home / "postgres", port=sql_port, durable=False)
    login = urlsplit(postgres.start())
    yield {
        "PATH": os.defpath,
        "HOME": str(home),
        "SQL_HOST": "127.0.0.1",
        "SQL_PORT": str(sql_port),
        "SQL_USER": str(login.username),
        "SQL_PASSWORD": unquote(str(login.password)),
        "TEMPORAL_ADDRESS": f"127.0.0.1:{port}",
        "TEMPORAL_BIND_IP": "127.0.0.1",
        "TEMPORAL_CLI": str(temporal_binary.find()),
        "TEMPORAL_DYNAMIC_CONFIG": str(CONFIG / "dynamic.yaml"),
        "TEMPORAL_MEMBERSHIP_PORT": str(membership),
        "TEMPORAL_NAMESPACE": NAMESPACE,
        "TEMPORAL_PORT": str(port),
        "TEMPORAL_SQL_TOOL": str(programs.sql_tool),
    }
    postgres.destroy()


def serve(programs: Installation, environment: Mapping[str, str]) -> ServerProcess:
    argv = [str(programs.server), "--root", "/", "--config", str(CONFIG), "--env", "server"]
    home = Path(environment["HOME"])
    return ServerProcess(
        Command(
            name="production",
            argv=[*argv, "--allow-no-auth", "start"],
            home=home,
            environment=environment,
        )
    )


def prepare(what: str, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        [CONFIG / f"prepare-{what}"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dynamic_settings_are_known_to_the_server(
    programs: Installation, environment: dict[str, str]
) -> None:
    argv = [programs.server, "validate-dynamic-config", CONFIG / "dynamic.yaml"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "unregistered" not in done.stdout


async def test_a_workflow_survives_the_production_server(
    programs: Installation, environment: dict[str, str]
) -> None:
    prepare("database", environment)
    server = serve(programs, environment)
    try:
        prepare("namespace", environment)
        prepare("namespace", environment)  # again does nothing
        client = await Client.connect(environment["TEMPORAL_ADDRESS"], namespace=NAMESPACE)
        async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]):
            handle = await client.start_workflow(Greeting.run, "you", id="kept", task_queue="q")
            await handle.query("__stack_trace")
    finally:
        server.stop()

    prepare("database", environment)  # as Compose does at every start
    server = serve(programs, environment)
    try:
        prepare("namespace", environment)
        client = await Client.connect(environment["TEMPORAL_ADDRESS"], namespace=NAMESPACE)
        async with Worker(client, task_queue="q", workflows=[Greeting], activities=[greet]):
            again = client.get_workflow_handle("kept", result_type=list[str])
            await again.signal("end")
            assert await again.result() == ["hello, you", "hello, you"]
    finally:
        server.stop()
