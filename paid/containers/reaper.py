"""Removes what no run owns any more: after kill -9, after a lost clean-up, after anything.

Only this installation's label counts, and only runs that the caller did not name as alive. The
caller reads the live runs after this host's list is taken, never before: a run that starts between
the two must not look dead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from paid.containers.contract import Engine, Owned
from paid.containers.workspace import Workspaces
from paid.errors import ContainerError

INSTALLATION = 0
"""The run id of containers that belong to no run (bases and probes): they end by themselves."""


@dataclass(frozen=True)
class Reaped:
    """What was removed, and what could not be (with the reason). False when nothing was done."""

    containers: tuple[str, ...] = ()
    workspaces: tuple[int, ...] = ()
    failures: tuple[str, ...] = ()
    bases: int = 0

    def __bool__(self) -> bool:
        return self != Reaped()


class Reaper:
    """Compares this host with the runs that live."""

    def __init__(self, engine: Engine, workspaces: Workspaces) -> None:
        self._engine = engine
        self._workspaces = workspaces

    def reap(self, live_runs: Callable[[], Collection[int]]) -> Reaped:
        """Remove the containers, volumes and folders of every run that is not alive."""
        containers = self._engine.owned()
        run_ids = {item.run_id for item in containers}
        run_ids |= {volume.run_id for volume in self._engine.owned_volumes()}
        run_ids |= self._workspaces.run_ids()
        orphans = run_ids - set(live_runs()) - {INSTALLATION}
        return self._remove(orphans, [item for item in containers if _is_over(item, orphans)])

    def _remove(self, orphans: set[int], containers: list[Owned]) -> Reaped:
        removed: list[str] = []
        emptied: list[int] = []
        failures: list[str] = []
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
        return Reaped(tuple(removed), tuple(emptied), tuple(failures), bases)


def _is_over(item: Owned, orphans: set[int]) -> bool:
    """Whether the container may go: its run is over, or its worker died before removing it."""
    if item.run_id == INSTALLATION:
        return item.state in ("exited", "dead")
    return item.run_id in orphans
