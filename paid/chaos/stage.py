"""What a round stands on: a forge, a scripted model, a door to Docker, a real `paid up`."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from paid import polls
from paid.agents import install
from paid.chaos import tasks
from paid.chaos.docker_calls import DockerDoor
from paid.chaos.installation import Installation
from paid.chaos.tasks import Task
from paid.containers.engine import DockerEngine
from paid.demo.forge import Forge
from paid.demo.scripted_model import ScriptedModel
from paid.github.client import GitHub
from paid.models import DEFAULT_LABELS, LabelPurpose
from paid.registration import register
from paid.settings import Settings
from paid.store import project_settings
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.project_settings import ProjectChanges
from paid.temporal import connect

OWNER, ROBOT = "maria", "paid-robot"
LABEL = DEFAULT_LABELS[LabelPurpose.BUILD]
POLL_SECONDS = 2
NEW_BASE_EVERY = 4
"""So many issues, and somebody pushes: the next run needs a base that is prepared anew."""
REQUESTS_AN_HOUR = 15_000
"""As GitHub gives to Enterprise Cloud: 300 blows bring more issues than 5,000 do."""


@dataclass(frozen=True)
class Labelled:
    """An issue whose label was set, and what it asks for."""

    repository: str
    number: int
    task: Task
    counts_lines: bool
    """Whether its agent is the one that numbers its lines (program.py)."""

    @property
    def name(self) -> str:
        """OWNER/REPO#NUMBER."""
        return f"{self.repository}#{self.number}"


class Stage:
    """Everything, as a context manager that leaves nothing behind; `agents` has one a project."""

    def __init__(self, folder: Path, seed: int, agents: tuple[str, ...]) -> None:
        self._seed, self._agents = seed, agents
        self.forge = Forge(folder / "forge")
        self.forge.gate.limit = REQUESTS_AN_HOUR
        self.model = ScriptedModel()
        self.door = DockerDoor(folder / "docker.sock")
        self.data_dir = folder / "data"
        self.data_dir.mkdir(mode=0o711)
        self.engine = DockerEngine(
            Settings.model_construct(_fields_set={"data_dir"}, data_dir=self.data_dir)
        )
        self.labelled: list[Labelled] = []
        self._projects: list[str] = []
        self._token = ""
        self._numbers = itertools.count(1)
        self._database: Database | None = None
        self._paid: Installation | None = None

    def __enter__(self) -> Stage:
        try:
            self._set_up()
        except BaseException:
            self._take_down()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._take_down()

    @property
    def paid(self) -> Installation:
        """The installation under test."""
        assert self._paid is not None  # noqa: S101 - made by `_set_up`
        return self._paid

    @property
    def database(self) -> Database:
        """Its database, reached past everything that a blow may hit but PostgreSQL."""
        assert self._database is not None  # noqa: S101 - made by `_set_up`
        return self._database

    def label_one(self, *, new_base: bool = False) -> Labelled:
        """Write the next issue and set its label; the projects take turns."""
        number = next(self._numbers)
        repository = self._projects[number % len(self._projects)]
        if new_base or number % NEW_BASE_EVERY == 0:
            self.forge.push_file(repository, "main", "news.txt", f"{number}\n")
        task = tasks.task(self._seed, number)
        issue = self.forge.add_issue(repository, f"Chaos work {number}", task.body, OWNER)
        self.forge.add_label(repository, issue, LABEL, OWNER)
        counts = self._agents[number % len(self._projects)] == "command"
        self.labelled.append(Labelled(repository, issue, task, counts))
        return self.labelled[-1]

    # --- setting up and taking down -----------------------------------------------------------

    def _set_up(self) -> None:
        for agent in dict.fromkeys(self._agents):
            install.install(agent, Settings(), lambda _line: None)
        self.forge.start()
        url = self.model.start()
        self.door.open()
        self._paid = Installation(self.data_dir, self._environment(url))
        self._paid.start()
        self._paid.wait_until_ready()
        settings = self._paid.settings
        assert settings.database_url is not None  # noqa: S101 - `settings` has seen to it
        self._database = Database(settings.database_url.get_secret_value())
        self.forge.add_user(OWNER)
        self._token = self.forge.add_user(ROBOT)
        for number, agent in enumerate(self._agents, start=1):
            self._watch(f"chaos/work-{number}", agent)

    def _environment(self, model_url: str) -> dict[str, str]:
        key = self.model.key
        return {
            "DOCKER_HOST": self.door.url,
            "PAID_WEB_PORT": "0",
            "OPENAI_BASE_URL": f"{model_url}/v1",
            "OPENAI_API_KEY": key,
            "ANTHROPIC_BASE_URL": model_url,
            "ANTHROPIC_API_KEY": key,
        }

    def _watch(self, name: str, agent: str) -> None:
        """Make a repository and have the installation watch it."""
        self.forge.add_repository(name, tasks.FILES, OWNER)
        self.forge.set_permission(name, ROBOT, "write")
        box = SecretBox(self.paid.settings.secret_key_path)
        github = GitHub(self._token, self.forge.api_url)
        try:
            found = register(
                self.database, box, github, full_name=name, api_url=self.forge.api_url,
                token=self._token, by="chaos",
            )  # fmt: skip
        finally:
            github.close()
        changes = ProjectChanges(
            agent=agent, agent_command=tasks.AGENT_COMMAND, checks=tasks.CHECKS,
            interval_seconds=POLL_SECONDS,
        )  # fmt: skip
        with self.database.session() as session:
            project_settings.change(session, found.project_id, changes, by="chaos", box=box)
        asyncio.run(self._poll(found.project_id))
        self._projects.append(name)

    async def _poll(self, project_id: int) -> None:
        settings = self.paid.settings
        await polls.start_poll(await connect(settings), project_id, settings.temporal_task_queue)

    def _take_down(self) -> None:
        if self._database is not None:
            self._database.close()
        if self._paid is not None:
            self._paid.stop()
            self._paid.remove_database()
            self._remove_containers()
        self.door.shut()
        self.model.stop()
        self.forge.stop()
        self.engine.close()

    def _remove_containers(self) -> None:
        """Those of runs that a round which was broken off has left, and their volumes."""
        for container in self.engine.owned():
            self.engine.remove(container.name)
        for volume in self.engine.owned_volumes():
            self.engine.remove_volume(volume.name)
