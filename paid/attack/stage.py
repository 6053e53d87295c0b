"""What attacks are made on: an installation with its forge, its model and its real containers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import SecretStr

from paid.attack import from_inside
from paid.bench.stage import OWNER, BenchStage
from paid.containers.engine import DockerEngine
from paid.containers.reaper import Reaper
from paid.containers.workspace import Workspaces
from paid.demo.scripted_model import ScriptedModel
from paid.models import Run
from paid.store import events
from paid.store.project_settings import ProjectChanges

PROGRAMS = Path(from_inside.__file__).parent
VICTIM = {"README.md": "A victim.\n"}
SLOTS = 4
"""Runs at once: two cores have enough with it, and attacks meet each other."""


class AttackStage(BenchStage):
    """A whole installation of its own; a context manager that leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self.model = ScriptedModel()
        url = self.model.start()
        super().__init__(
            folder,
            run_slots=SLOTS,
            openai_api_key=[SecretStr(self.model.key)],
            openai_base_url=f"{url}/v1",
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
        self.model.stop()
        # the next start of this installation would take up a live run's container; there is none
        Reaper(self.engine, Workspaces(self.engine, self.settings)).reap(lambda: ())

    @property
    def engine(self) -> DockerEngine:
        """The engine that holds the runs' containers."""
        return DockerEngine(self.settings)

    def attacked(self, name: str, program: str, tree: Mapping[str, str] = VICTIM) -> Run:
        """Have one run whose agent is a program of this room; returns the ended run."""
        command = ["python3", "-c", (PROGRAMS / program).read_text()]
        project_id = self.watch_tree(name, tree, ProjectChanges(agent_command=command))
        return self.until_ended(project_id, self.label(name))[0]

    def worked(
        self,
        name: str,
        program: str,
        texts: Sequence[str],
        tree: Mapping[str, str] = VICTIM,
        rounds: int = 10,
    ) -> list[Run]:
        """Have one run an issue, each with one of these texts; returns the ended runs."""
        command = ["python3", "-c", (PROGRAMS / program).read_text()]
        changes = ProjectChanges(agent_command=command, max_iterations=rounds)
        project_id = self.watch_tree(name, tree, changes)
        numbers = [self.forge.add_issue(name, text[:60], text, OWNER) for text in texts]
        for number in numbers:
            self.forge.add_label(name, number, "paid-build", actor=OWNER)
        runs = {run.issue_id: run for run in self.until_ended(project_id, numbers)}
        return [runs[key] for key in sorted(runs)]

    def records(self, run: Run) -> Iterator[dict[str, Any]]:
        """The JSON objects that the agent of a run printed, as its record has them."""
        assert run.id is not None  # noqa: S101 - a run that was read has an id
        with self.database.session() as session:
            found = events.of_run(session, run.id, limit=10_000)
        for event in found:
            if event.kind == "agent.message":
                for line in str(event.data.get("text", "")).splitlines():
                    if line.startswith("{"):
                        yield json.loads(line)
