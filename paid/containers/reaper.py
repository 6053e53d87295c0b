"""Removes what no run owns any more: after kill -9, after a lost clean-up, after anything.

Only this installation's label counts, and only runs that the caller did not name as alive. The
caller reads the live runs after this host's list is taken, never before: a run that starts between
the two must not look dead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from paid.containers.contract import Engine, Owned
from paid.containers.installation_work import INSTALLATION
from paid.containers.workspace import Workspaces
from paid.errors import ContainerError


@dataclass(frozen=True)
class Reaped:
    """What was removed, and what could not be (with the reason). False when nothing was done."""

    containers: tuple[str, ...] = ()
    workspaces: tuple[int, ...] = ()
    failures: tuple[str, ...] = ()
    bases: int = 0
    leftovers: tuple[str, ...] = ()
    """Containers, volumes and folders of work that belongs to no run, whose process was killed."""

    def __bool__(self) -> bool:
        return self != Reaped()


class Reaper:
    """Compares this host with the runs that live."""

    def __init__(self, engine: Engine, workspaces: Workspaces) -> None:
        self._engine = engine
        self._workspaces = workspaces

    def reap(self, live_runs: Callable[[], Collection[int]]) -> Reaped:
        """Remove the containers, volumes and folders of every run that is not alive."""
        leftovers, failures = self._leftovers()
        containers = self._engine.owned()
        run_ids = {item.run_id for item in containers}
        run_ids |= {volume.run_id for volume in self._engine.owned_volumes()}
        run_ids |= self._workspaces.run_ids()
        orphans = run_ids - set(live_runs()) - {INSTALLATION}
        over = [item for item in containers if item.run_id in orphans]
        return self._remove(orphans, over, leftovers, failures)

    def _leftovers(self) -> tuple[tuple[str, ...], list[str]]:
        try:
            return tuple(self._workspaces.remove_orphans()), []
        except ContainerError as error:
            return (), [f"work of the installation: {error}"]

    def _remove(
        self,
        orphans: set[int],
        containers: list[Owned],
        leftovers: tuple[str, ...],
        failures: list[str],
    ) -> Reaped:
        removed: list[str] = []
        emptied: list[int] = []
        for item in containers:
            try:
                self._engine.remove(item.name)
                removed.append(item.name)
            except ContainerError as error:
                failures.append(f"{item.name}: {error}")
        for run_id in sorted(orphans):
            try:
                self._workspaces.remove(run_id)
                emptied.append(run_id)
            except ContainerError as error:
                failures.append(f"workspace of run {run_id}: {error}")
        bases = self._workspaces.prune_bases()
        return Reaped(tuple(removed), tuple(emptied), tuple(failures), bases, leftovers)
