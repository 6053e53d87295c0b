"""A whole installation, a forge and a scripted model: all of Paid, as a user would have it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import SecretStr
from sqlmodel import col, select

from paid import control, polls
from paid.containers.engine import DockerEngine
from paid.contracts import RunStatus
from paid.demo import sample
from paid.demo.forge import Forge
from paid.demo.scripted_model import ScriptedModel
from paid.embedded.process import read_pid, tail
from paid.errors import DatabaseError
from paid.github.client import GitHub
from paid.models import Event, Issue, Project, Run
from paid.registration import register
from paid.settings import Settings, child_environment
from paid.store import events, ledger, project_settings, projects, runs
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.project_settings import ProjectChanges
from paid.temporal import connect
from paid.up.installation import PROGRAMS, EmbeddedPaid
from paid.up.part import Program
from tests.acceptance.wires import DockerSocket
from tests.plain_http import NO_TLS

T = TypeVar("T")
OWNER, ROBOT = "maria", "paid-robot"
LONGEST_RUN_SECONDS = 480
UNTIL_TOLD = [
    "python3",
    "-c",
    "import os, pathlib, time; pathlib.Path('made.txt').write_text('made');"
    "print('begun', flush=True)\n"
    "while not os.path.exists('/run/paid/task/go-on'): time.sleep(0.05)\n"
    "print('told', flush=True)",
]
"""An agent that works until the test has seen enough (`Stage.let_end`)."""
LOOK_SECONDS = 0.1
DOCKER_WAIT_SECONDS = 20.0
_NAMES = count(1)


@dataclass(frozen=True)
class Watched:
    """A repository of the forge that the installation watches."""

    name: str
    project_id: int


class Stage:
    """Everything, started once for all tests; each test has a repository of its own."""

    def __init__(
        self, folder: Path, programs: tuple[Program, ...] = PROGRAMS, **settings: object
    ) -> None:
        self.forge = Forge(folder / "forge")
        self.forge.start()
        self.model = ScriptedModel()
        model_url = self.model.start()
        self.docker = DockerSocket(folder / "docker.sock")
        key = SecretStr(self.model.key)
        self.paid = EmbeddedPaid(
            Settings(
                data_dir=folder / "data",
                docker_host=self.docker.url,
                docker_wait_seconds=DOCKER_WAIT_SECONDS,
                openai_base_url=f"{model_url}/v1",
                openai_api_key=[key],
                anthropic_base_url=model_url,
                anthropic_api_key=[key],
                quota_hold_seconds=2,  # so that a vendor's limit of some seconds parks a run
                **settings,  # type: ignore[arg-type]
            ),
            programs=programs,
        )
        self.paid.start()
        self.settings = self.paid.settings
        url = self.settings.database_url
        assert url is not None
        self.database = Database(url.get_secret_value())
        self.forge.add_user(OWNER)
        self.token = self.forge.add_user(ROBOT)

    def close(self) -> None:
        self.docker.back()
        self.database.close()
        self.paid.stop()
        self._remove_what_goes_on()
        self.docker.away()
        self.model.stop()
        self.forge.stop()

    def _remove_what_goes_on(self) -> None:
        """A stopped installation leaves its live runs' containers for the next start; no more."""
        engine = DockerEngine(self.settings)
        for container in engine.owned():
            engine.remove(container.name)
        for volume in engine.owned_volumes():
            engine.remove_volume(volume.name)

    def watch(
        self, files: dict[str, str] | None = None, *, token: str | None = None, **changes: object
    ) -> Watched:
        """Make a repository, add it as a project, and poll it every second.

        `token` is another one of the robot's, to be revoked without harm to other tests.
        """
        token = token or self.token
        name = f"demo/repository-{next(_NAMES)}"
        self.forge.add_repository(name, sample.files() if files is None else files, OWNER)
        self.forge.set_permission(name, ROBOT, "write")
        for issue in sample.issues():
            self.forge.add_issue(name, issue.title, issue.body, OWNER)
        box = SecretBox(self.settings.secret_key_path)
        github = GitHub(token, self.forge.api_url)
        found = register(
            self.database, box, github,
            full_name=name, api_url=self.forge.api_url, token=token, by="test",
        )  # fmt: skip
        settings: dict[str, object] = {"interval_seconds": 1, "agent": "command", **changes}
        with self.database.session() as session:
            project_settings.change(
                session, found.project_id, ProjectChanges(**settings), by="test", box=box
            )
        asyncio.run(self._poll(found.project_id))
        return Watched(name, found.project_id)

    def rest(self) -> None:
        """Stop every poll that still runs."""
        self.forge.mend()
        self.docker.back()
        with self.database.session() as session:
            for project in projects.active(session):
                projects.pause(session, projects.number(project), "the test is over", by="test")

    def run_of(self, watched: Watched, number: int = 1) -> Run | None:
        """The newest run of an issue."""
        with self.database.session() as session:
            question = (
                select(Run)
                .join(Issue, col(Issue.id) == col(Run.issue_id))
                .where(Issue.project_id == watched.project_id, Issue.number == number)
                .order_by(col(Run.id).desc())
            )
            return session.exec(question).first()

    def begun(self, watched: Watched, number: int = 1) -> Run:
        """Wait until an issue has a run."""
        return self.until(lambda: self.run_of(watched, number), "a run of the issue")

    def ended(self, watched: Watched, number: int = 1) -> Run:
        """Wait until the issue's run has ended."""
        return self.until(
            lambda: (run := self.run_of(watched, number)) and run.ended and run,
            f"the end of the run of issue {number}",
        )

    def in_status(self, watched: Watched, status: RunStatus, number: int = 1) -> Run:
        """Wait until the issue's run has a status."""
        return self.until(
            lambda: (run := self.run_of(watched, number)) and run.status == status and run,
            f"status {status}",
        )

    def events(self, run: Run, kind: str = "") -> list[Event]:
        """The run's events of a kind, or all."""
        assert run.id is not None
        with self.database.session() as session:
            found = events.of_run(session, run.id, limit=10_000)
        return [event for event in found if not kind or event.kind == kind]

    def saw(self, run: Run, kind: str) -> Event:
        """Wait for an event of the run."""
        return self.until(lambda: next(iter(self.events(run, kind)), None), f"event {kind}")

    def let_end(self, run: Run) -> None:
        """Let an agent that works until it is told end."""
        facts = DockerEngine(self.settings).inspect(f"paid-run-{run.id}-agent-1")
        assert facts is not None
        (task,) = (it["Source"] for it in facts["Mounts"] if it["Destination"] == "/run/paid/task")
        (Path(task) / "go-on").touch()

    def settled(self, run: Run) -> ledger.RunCost:
        """What the run cost, once nothing is reserved for it any more."""
        assert run.id is not None
        run_id = run.id

        def cost() -> ledger.RunCost | None:
            with self.database.session() as session:
                found = ledger.run_cost(session, run_id)
            return None if found.reserved_microdollars else found

        return self.until(cost, "the last settlement")

    def cancel(self, run: Run) -> None:
        """What every cancel begins with."""
        assert run.id is not None
        with self.database.session() as session:
            runs.request_cancel(session, run.id, "maria", "not wanted")

    def tell_cancelled(self, run: Run) -> None:
        """What every cancel goes on with, where Temporal answers."""

        async def tell() -> None:
            await control.tell_cancelled(await connect(self.settings), run.workflow_id)

        asyncio.run(tell())

    def tell_budget_changed(self, run: Run) -> None:
        """What a raise of a budget does after it is stored."""

        async def tell() -> None:
            await control.tell_budget_changed(await connect(self.settings), run.workflow_id)

        asyncio.run(tell())

    def project_state(self, watched: Watched) -> str:
        """active, paused or removed."""
        with self.database.session() as session:
            return session.get_one(Project, watched.project_id).state

    def nothing_left(self, run: Run) -> None:
        """Wait until the host has no container, volume, folder or ref of the run."""
        assert run.id is not None
        engine, data = DockerEngine(self.settings), self.settings.data_dir

        def clean() -> bool:
            owned = {item.run_id for item in [*engine.owned(), *engine.owned_volumes()]}
            folders = [data / "runs" / str(run.id), data / "workspaces" / "runs" / str(run.id)]
            return run.id not in owned and not any(folder.exists() for folder in folders)

        self.until(clean, f"a clean host after run {run.id}")

    def command(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run `paid` as a person at the terminal would."""
        return subprocess.run(
            [sys.executable, "-m", "paid", *argv],
            env=self.paid.env, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    @contextmanager
    def another_worker(self, name: str, data_dir: Path, docker_host: str) -> Iterator[None]:
        """A second host of the installation, as `bin/temporal-worker` on another machine is."""
        settings = self.settings.changed(
            host_name=name, data_dir=data_dir, docker_host=docker_host,
            secret_key_file=self.settings.secret_key_path,
        )  # fmt: skip
        log = data_dir / "worker.log"
        with log.open("wb") as output, subprocess.Popen(
            [sys.executable, "-m", "paid.worker"],
            env=child_environment(settings), stdout=output, stderr=output,
        ) as worker:  # fmt: skip
            try:
                self.until(lambda: b"worker.ready" in log.read_bytes(), f"the worker {name}")
                yield
            finally:
                worker.terminate()

    @contextmanager
    def browser(self) -> Iterator[httpx.Client]:
        """Somebody who is signed in to the dashboard."""
        base, token = self.paid.dashboard_url, self.paid.login_url.partition("token=")[2]
        headers = {"origin": base, "accept": "text/html"}
        with httpx.Client(
            base_url=base, headers=headers, timeout=20, trust_env=False, verify=NO_TLS
        ) as client:
            client.post("/login", data={"token": token})
            yield client

    def file(self, watched: Watched, branch: str, path: str) -> str:
        """A file as the forge has it."""
        argv = ["git", "-C", str(self.forge.git_dir(watched.name)), "show", f"{branch}:{path}"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to one of the installation's own programs."""
        pid = read_pid(self.settings.data_dir / "logs" / f"{part}.pid")
        assert pid is not None
        os.kill(pid, number)

    def until(self, look: Callable[[], T | bool | None], what: str) -> T:
        """Wait for what PostgreSQL or the forge will show."""
        deadline = time.monotonic() + LONGEST_RUN_SECONDS
        while time.monotonic() < deadline:
            if found := look():
                return found  # type: ignore[return-value]
            time.sleep(LOOK_SECONDS)  # several servers are watched; no one signal tells of all
        raise AssertionError(f"waited {LONGEST_RUN_SECONDS} s in vain for {what}\n{self._told()}")

    def _told(self) -> str:
        """The last events and the last words of the worker, for whoever reads a failed test."""
        last: list[Event] = []
        with suppress(DatabaseError), self.database.session() as session:
            last = events.after(session, max(0, events.last_id(session) - 15))
        said = [f"{event.chain} {event.kind} {str(event.data)[:300]}" for event in last]
        return "\n".join([*said, tail(self.settings.data_dir / "logs" / "worker.log")])

    async def _poll(self, project_id: int) -> None:
        client = await connect(self.settings)
        await polls.start_poll(client, project_id, self.settings.temporal_task_queue)
