"""What benchmarks of whole runs stand on: an installation, a forge, repositories of a size."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlmodel import col, select

from paid import polls
from paid.control import cancel_run
from paid.demo.forge import Forge
from paid.github.client import GitHub
from paid.models import Event, Issue, Run
from paid.registration import register
from paid.settings import Settings
from paid.store import events, project_settings
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.project_settings import ProjectChanges
from paid.temporal import connect
from paid.up.installation import EmbeddedPaid

MOST_SECONDS = 600
OWNER, ROBOT = "maria", "paid-robot"
AGENT = [
    "python3",
    "-c",
    "import os, pathlib, time\n"
    "pathlib.Path('made.txt').write_text('made')\n"
    "began = int(pathlib.Path('/proc/self/stat').read_text().split()[21])\n"
    "now = time.clock_gettime(time.CLOCK_BOOTTIME)\n"
    "print('own seconds', round(now - began / os.sysconf('SC_CLK_TCK'), 3))",
]
"""The stub agent of product and floor alike: writes a file and says how long it ran."""


class BenchStage:
    """Everything that a benchmark of whole runs needs; a context manager."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.forge = Forge(folder / "forge")
        self.forge.start()
        self.forge.add_user(OWNER)
        self.token = self.forge.add_user(ROBOT)
        self._projects: dict[str, int] = {}
        chosen = Settings(data_dir=folder / "data", run_slots=60).changed(**settings)
        self.paid = EmbeddedPaid(chosen)

    def __enter__(self) -> Self:
        try:
            self.paid.start()
        except BaseException:
            self.forge.stop()
            raise
        url = self.settings.database_url
        assert url is not None  # noqa: S101 - `start` has filled it in
        self.database = Database(url.get_secret_value())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.database.close()
        self.paid.stop()
        self.forge.stop()

    @property
    def settings(self) -> Settings:
        """The running installation's settings."""
        return self.paid.settings

    def watch(self, name: str, files: int, agent: Sequence[str] = AGENT) -> int:
        """Make a repository of `files` files, watch it, and return the project's id."""
        tree = {f"part{n // 250}/file{n}.txt": f"content of file {n}\n" for n in range(files)}
        return self.watch_tree(name, tree, ProjectChanges(agent_command=list(agent)))

    def watch_tree(self, name: str, tree: Mapping[str, str], changes: ProjectChanges) -> int:
        """Make a repository of these files, watch it with the agent `command`; the project's id."""
        self.forge.add_repository(name, tree, OWNER)
        self.forge.set_permission(name, ROBOT, "write")
        box = SecretBox(self.settings.secret_key_path)
        found = register(
            self.database,
            box,
            GitHub(self.token, self.forge.api_url),
            full_name=name,
            api_url=self.forge.api_url,
            token=self.token,
            by="bench",
        )
        changes = dataclasses.replace(changes, agent="command")
        with self.database.session() as session:
            project_settings.change(session, found.project_id, changes, by="bench", box=box)
        asyncio.run(self._poll(found.project_id))
        self._projects[name] = found.project_id
        return found.project_id

    def label(self, name: str, count: int = 1) -> list[int]:
        """Write issues, label them, let the poll look as a webhook does; returns their numbers.

        They are labelled within a millisecond or so: one look sees all.
        """
        numbers = [
            self.forge.add_issue(name, "Make a file", "Please.", OWNER) for _ in range(count)
        ]
        for number in numbers:
            self.forge.add_label(name, number, "paid-build", actor=OWNER)
        asyncio.run(self._look(self._projects[name]))
        return numbers

    def events_of(self, run: Run) -> dict[str, Event]:
        """The first event of each kind of a run."""
        assert run.id is not None  # noqa: S101 - a run that was read has an id
        with self.database.session() as session:
            found = events.of_run(session, run.id, limit=10_000)
        first: dict[str, Event] = {}
        for event in found:
            first.setdefault(event.kind, event)
        return first

    def until_at_work(self, project_id: int, count: int) -> list[Run]:
        """Wait until so many runs of a project have an agent that runs; returns them."""
        at_work = select(Event.run_id).where(Event.kind == "step.started")
        question = select(Run).where(Run.project_id == project_id, col(Run.id).in_(at_work))
        deadline = time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            with self.database.session() as session:
                found = list(session.exec(question))
            if len(found) >= count:
                return found
            time.sleep(0.2)  # the events are the only common sign of all the runs
        raise TimeoutError(f"{count} runs were not at work after {MOST_SECONDS} s")

    def until_ended(self, project_id: int, numbers: Sequence[int]) -> list[Run]:
        """Wait until the issues of these numbers have ended runs; returns the runs.

        Raises TimeoutError when none of them ended for a long time.
        """
        question = (
            select(Run)
            .join(Issue, col(Issue.id) == col(Run.issue_id))
            .where(Issue.project_id == project_id, col(Issue.number).in_(numbers))
        )
        ended, deadline = 0, time.monotonic() + MOST_SECONDS
        while time.monotonic() < deadline:
            with self.database.session() as session:
                found = list(session.exec(question))
            if sum(run.ended for run in found) > ended:
                ended, deadline = sum(run.ended for run in found), time.monotonic() + MOST_SECONDS
            if ended == len(numbers):
                return found
            time.sleep(0.2)  # the rows are the only common sign of all the runs
        left = len(numbers) - ended
        raise TimeoutError(
            f"{left} of {len(numbers)} runs are open, and none ended in {MOST_SECONDS} s"
        )

    def cancel(self, run: Run) -> None:
        """End a run as a person would."""
        assert run.id is not None  # noqa: S101 - a run that was read has an id
        asyncio.run(self._cancel(run.id))

    async def _look(self, project_id: int) -> None:
        await polls.tell_poll(await connect(self.settings), project_id, "look_now")

    async def _cancel(self, run_id: int) -> None:
        await cancel_run(self.database, await connect(self.settings), run_id, "bench", "measured")

    async def _poll(self, project_id: int) -> None:
        client = await connect(self.settings)
        await polls.start_poll(client, project_id, self.settings.temporal_task_queue)
