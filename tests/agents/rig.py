"""A whole way from an agent's program to its vendor: locked container, gateway, ledger, bill.

Real: the agent's own program in its image, Docker, the gateway's process, PostgreSQL. Scripted: the
vendor. Used by tests/agents/test_real_clis.py and by bin/agents-e2e.
"""

from __future__ import annotations

import http.client
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import text

from paid.agents import registry
from paid.agents.events import AgentEvent
from paid.agents.protocol import Ending, Turn, Usage
from paid.containers.contract import GIBIBYTE, Limits
from paid.containers.engine import DockerEngine
from paid.containers.images import agent_image_ref
from paid.containers.task import Task
from paid.demo.scripted_model import ScriptedModel
from paid.demo.scripted_model.bill import Entry
from paid.models import Credential, Issue, Project, Run
from paid.settings import Settings
from paid.store import ledger, tokens
from paid.store.database import Database
from tests.containers.bench import Bench, Done, Repository, git

START_SECONDS = 60.0
LIMITS = Limits(cpus=2.0, memory_bytes=2 * GIBIBYTE, pids=512)
PROMPT = "Write a greeting for the people who come here.\n\nScenario: write\n"
"""The scripted vendor makes the agent write hello.txt through the agent's own tools."""


@dataclass(frozen=True)
class Played:
    """One turn: what the agent said, what it left, and both accounts of its cost."""

    agent: str
    events: list[AgentEvent]
    ending: Ending
    usage: Usage
    session_id: str | None
    output: str
    files: dict[str, str]
    bill: list[Entry]
    ledger_microdollars: int
    reserved_microdollars: int
    seconds: float

    @property
    def billed_microdollars(self) -> int:
        """What the vendor charged."""
        return sum(entry.cost_microdollars or 0 for entry in self.bill)


class Rig:
    """Plays turns of agents; every agent gets an issue, a run and a workspace of its own."""

    def __init__(
        self, settings: Settings, database: Database, model: ScriptedModel, repository: Repository
    ) -> None:
        self.settings, self.database, self.model = settings, database, model
        self.engine = DockerEngine(settings)
        self._repository = repository
        self._project_id = self._add_project()
        self._benches: dict[str, Bench] = {}
        self._turns = 0

    def play(
        self,
        name: str,
        prompt: str = PROMPT,
        session_id: str | None = None,
        argv: tuple[str, ...] = (),
    ) -> Played:
        """Run one turn of an agent to its end; `argv` is the program of the agent `command`."""
        agent, bench = registry.get(name), self._bench(name)
        self._turns += 1
        invocation = agent.invoke(Turn(prompt=prompt, session_id=session_id, argv=argv))
        task = Task(
            mode="agent",
            argv=invocation.argv,
            stdin=invocation.stdin,
            env=invocation.env,
            files=invocation.files,
            trusted_paths=agent.config_paths,
            litter=agent.litter,
            timeout_seconds=150,
            gateway=True,
        )
        with self.database.session() as session:
            token = tokens.issue(session, bench.run_id)
        spec = bench.spec(
            "agent",
            self._turns,
            task,
            run_token=token,
            gateway=self.settings.gateway_socket_path.parent,
            limits=LIMITS,
        )
        billed, began = len(self.model.bill()), time.monotonic()
        done = bench.run(spec)
        seconds = time.monotonic() - began
        transcript = agent.transcript()
        events = [event for line in done.lines for event in transcript.feed(line.text)]
        code = int(done.report("agent_exit")["code"] or 0) if "agent_exit" in done.names else 1
        cost = self._cost(bench.run_id)
        return Played(
            agent=name,
            events=events,
            ending=transcript.end(code),
            usage=transcript.usage,
            session_id=transcript.session_id,
            output=f"{done.reports}\n{done.exit}\n{done.text}",
            files=self._files(bench, spec.name) if _has_work(done) else {},
            bill=self.model.bill()[billed:],
            ledger_microdollars=cost.spent_microdollars,
            reserved_microdollars=cost.reserved_microdollars,
            seconds=seconds,
        )

    def clear(self) -> None:
        """Remove the containers and workspaces of all turns."""
        for bench in self._benches.values():
            bench.clear()

    def _files(self, bench: Bench, container: str) -> dict[str, str]:
        """What the branch has that the base has not, by path."""
        source = self._repository.source
        head = bench.head_of(bench.bundle(container, self.settings.data_dir / "run.bundle"))
        names = git(source, "diff", "--name-only", self._repository.base_sha, head).split("\n")
        return {name: git(source, "show", f"{head}:{name}") for name in names if name}

    def _cost(self, run_id: int) -> ledger.RunCost:
        """The run's account, once the gateway has settled the last request."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            with self.database.session() as session:
                cost = ledger.run_cost(session, run_id)
            if cost.reserved_microdollars == 0 or time.monotonic() > deadline:
                return cost
            time.sleep(0.1)

    def _bench(self, name: str) -> Bench:
        if name not in self._benches:
            image, run_id = agent_image_ref(name), self._add_run(name)
            self._benches[name] = Bench(self.engine, self.settings, image, self._repository, run_id)
        return self._benches[name]

    def _add_project(self) -> int:
        with self.database.session() as session:
            # Containers are named for their run: high numbers keep off those of other suites.
            first = random.randrange(10**6, 10**9)  # noqa: S311 - no secret
            session.execute(text(f"ALTER TABLE run ALTER COLUMN id RESTART WITH {first}"))
            credential = Credential(kind="github_token", ciphertext="-")
            session.add(credential)
            session.flush()
            project = Project(
                api_url="http://127.0.0.1",
                owner="acme",
                name="greeter",
                github_id=1,
                clone_url=str(self._repository.source),
                default_branch="main",
                credential_id=credential.id,
            )
            session.add(project)
            session.flush()
            assert project.id is not None
            return project.id

    def _add_run(self, agent: str) -> int:
        with self.database.session() as session:
            number = len(self._benches) + 1
            issue = Issue(
                project_id=self._project_id,
                number=number,
                github_id=number,
                title="Greet",
                html_url="http://127.0.0.1/1",
                author="maria",
            )
            session.add(issue)
            session.flush()
            assert issue.id is not None
            run = Run(
                project_id=self._project_id,
                issue_id=issue.id,
                generation=1,
                workflow_id=f"run:1:{number}:1",
                requested_by="maria",
                agent=agent,
            )
            session.add(run)
            session.flush()
            assert run.id is not None
            return run.id


def _has_work(done: Done) -> bool:
    return "collected" in done.names and done.report("collected")["head"] is not None


@contextmanager
def running(folder: Path, database_url: str) -> Iterator[Rig]:
    """A rig with its gateway and vendor, in a short-named folder; all of it ends with the block."""
    model = ScriptedModel()
    model.start()
    settings = Settings(
        data_dir=folder / "data",
        cache_dir=folder / "cache",
        database_url=SecretStr(database_url),
    )
    database = Database(database_url)
    try:
        with _gateway(settings, model, database_url):
            rig = Rig(settings, database, model, Repository.make(folder / "repository"))
            try:
                yield rig
            finally:
                rig.clear()
    finally:
        database.close()
        model.stop()


@contextmanager
def _gateway(settings: Settings, model: ScriptedModel, database_url: str) -> Iterator[None]:
    """The gateway's own process, pointed at the scripted vendor."""
    env = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    process = subprocess.Popen(
        [sys.executable, "-m", "paid.gateway"],
        env={
            **env,
            **model.settings_environment(),
            "DATABASE_URL": database_url,
            "PAID_DATA_DIR": str(settings.data_dir),
        },
    )
    try:
        _wait(lambda: _healthy(settings.gateway_socket_path), process)
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the gateway did not start; its words are above")
        time.sleep(0.05)


def _healthy(path: Path) -> bool:
    connection = http.client.HTTPConnection("gateway")
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(path))
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
