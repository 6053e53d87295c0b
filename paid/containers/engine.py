"""Containers of steps on a Docker engine."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paid.containers import archive, hardening
from paid.containers.admission import StartSlots
from paid.containers.contract import (
    Exit,
    Overlay,
    Owned,
    OwnedVolume,
    Started,
    StepSpec,
)
from paid.containers.docker_api import CALL_SECONDS, ContainerConflictError, DockerApi
from paid.containers.docker_log import DockerLog
from paid.containers.instance import instance_id
from paid.containers.openings import openings
from paid.containers.task import put_system_files
from paid.errors import (
    BundleRejectedError,
    ContainerError,
    ContainerLostError,
    DockerUnavailableError,
    NotFrozenError,
    SandboxNotTightError,
)
from paid.settings import Settings

WAIT_SLICE_SECONDS = 5.0
MOST_TRIES = 3
"""So often a container that is in the way, and gone before it could be adopted, is made anew."""
BUSY_SECONDS = 5.0
FREEZE_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between tries to freeze a container: three in all, while its requests wait for money."""


class DockerEngine:
    """The engine that this host's Docker is. Safe to share between threads."""

    def __init__(self, settings: Settings, *, call_seconds: int = CALL_SECONDS) -> None:
        self._settings = settings
        self.api = DockerApi(settings, call_seconds=call_seconds)
        self._slots = StartSlots(settings.start_slots)
        self._instance = instance_id(settings.data_dir)
        self._suffix = f"-{self._instance[:8]}"
        # What the engine would answer about what was made here: a start asks it less.
        self._keys: dict[str, bytes] = {}
        self._uppers: dict[str, Path | None] = {}

    def start(self, spec: StepSpec) -> Started:
        """Start the step, or adopt its container: one that runs or ran is never started again."""
        with self._slots.one():
            for _ in range(MOST_TRIES):
                if self._create(spec):
                    self._check_tight(spec.name, facts := self._existing(spec.name))
                    self._call("start", spec.name)
                    return Started(spec.name, facts["Id"], adopted=False)
                if (found := self._adopted(spec.name)) is not None:
                    return found
        raise ContainerError(f"The container {spec.name} is made and removed by somebody else.")

    def adopt(self, name: str) -> Started | None:
        """The container of an earlier attempt, in whatever state that died."""
        with self._slots.one():
            return self._adopted(name)

    def follow(self, name: str, cursor: str | None = None) -> DockerLog:
        """The container's lines after `cursor`, until it ends."""
        return DockerLog(self.api, self._there(name), cursor, lambda: self._running(name))

    def wait(self, name: str, timeout_seconds: float) -> Exit | None:
        """How it ended, None while it runs; waits in slices so that a dead engine shows."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            facts = self._existing(name)
            if facts["State"]["Status"] in ("exited", "dead"):
                return _exit(facts["State"])
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._wait_slice(name, min(left, WAIT_SLICE_SECONDS))

    def pause(self, name: str) -> None:
        """Freeze every process; no effect on a container that is frozen or has ended.

        On a host that is busy, runc gives up before the kernel has stopped them all: tried again.
        """
        for seconds in FREEZE_PAUSES:
            try:
                self._call("pause", name, conflicts_are_fine=True)
            except NotFrozenError:
                time.sleep(seconds)
            else:
                return
        self._call("pause", name, conflicts_are_fine=True)

    def unpause(self, name: str) -> None:
        """Let a frozen container go on."""
        self._call("unpause", name, conflicts_are_fine=True, absence_is_fine=True)

    def stop(self, name: str, grace_seconds: float = 10.0) -> None:
        """SIGTERM to paid-step, which ends the agent; SIGKILL when the grace is over."""
        self.unpause(name)
        self._call("kill", name, "SIGTERM", conflicts_are_fine=True, absence_is_fine=True)
        try:
            if self.wait(name, grace_seconds) is None:
                self.kill(name)
        except ContainerLostError:
            return

    def kill(self, name: str) -> None:
        """SIGKILL to all of it."""
        self._call("kill", name, "SIGKILL", conflicts_are_fine=True, absence_is_fine=True)

    def remove(self, name: str) -> None:
        """Kill and remove it; its log goes with it. Waits for another's removal of it."""
        self._keys.pop(name, None)
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self.api.client() as client:
                    client.remove_container(self._there(name), v=False, force=True)
                return
            except ContainerLostError:
                return
            except ContainerConflictError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def copy_out(self, name: str, path: str, into: Path, max_bytes: int) -> None:
        """Copy one regular file; links, pipes, folders and too much are BundleRejectedError."""
        try:
            with self.api.client() as client:
                stream, _ = client.get_archive(self._there(name), path)
                archive.extract_one(stream, into, max_bytes)
        except ContainerLostError as error:
            self._existing(name)
            raise BundleRejectedError(f"The workspace has no {path}.") from error

    def inspect(self, name: str) -> Mapping[str, Any] | None:
        """The engine's own description of the container."""
        try:
            return self._existing(name)
        except ContainerLostError:
            return None

    def report_key(self, name: str) -> bytes:
        """The key of the container's reports; a worker that comes back asks the engine for it."""
        if (kept := self._keys.get(name)) is not None:
            return kept
        for variable in self._existing(name)["Config"]["Env"]:
            key, _, value = variable.partition("=")
            if key == hardening.REPORT_KEY:
                return bytes.fromhex(value)
        raise ContainerError(f"The container {name} was not made by Paid.")

    def owned(self) -> list[Owned]:
        """All containers with this installation's label, running or not."""
        with self.api.client() as client:
            found = client.containers(all=True, filters=self._filters())
        return [
            Owned(
                self._ours(item["Names"][0].lstrip("/")),
                int(item["Labels"].get("paid.run", 0)),
                item["Labels"].get("paid.step", ""),
                item["State"],
            )
            for item in found
        ]

    def create_volume(self, name: str, run_id: int, overlay: Overlay | None = None) -> None:
        """Make a volume; an existing one of the same name stays as it is."""
        labels = {"paid": "1", "paid.run": str(run_id), "paid.instance": self._instance}
        options = _overlay_options(overlay) if overlay else None
        with self.api.client() as client:
            made = client.create_volume(
                self._there(name), driver="local", driver_opts=options, labels=labels
            )
        self._uppers[name] = _upper_of(made)

    def remove_volume(self, name: str) -> None:
        """Remove it; waits a moment for a container that is just ending."""
        self._uppers.pop(name, None)
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with self.api.client() as client:
                    client.remove_volume(self._there(name))
                return
            except ContainerLostError:
                return
            except ContainerConflictError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def owned_volumes(self) -> list[OwnedVolume]:
        """All volumes with this installation's label."""
        with self.api.client() as client:
            found = client.volumes(filters=self._filters())["Volumes"] or []
        return [
            OwnedVolume(self._ours(item["Name"]), int((item["Labels"] or {}).get("paid.run", 0)))
            for item in found
        ]

    def close(self) -> None:
        """Close the connections to the engine."""
        self.api.close()

    def ping(self) -> None:
        """Ask the engine for a sign of life."""
        with self.api.client() as client:
            client.ping()

    def disk_free_bytes(self) -> int:
        """The smaller of what is free under the data folder and under Docker's own."""
        with self.api.client() as client:
            root = Path(client.info()["DockerRootDir"])
        places = [place for place in (self._settings.data_dir, root) if place.is_dir()]
        return min(shutil.disk_usage(place).free for place in places)

    def _there(self, name: str) -> str:
        """The name on the engine: every installation counts its runs from 1."""
        return name + self._suffix

    def _ours(self, name: str) -> str:
        return name.removesuffix(self._suffix)

    def _create(self, spec: StepSpec) -> bool:
        """Create the container; False when one of this name is there already."""
        spec = self._with_volume(spec)
        put_system_files(spec.task_folder)  # an earlier version of Paid may have made the folder
        key = secrets.token_bytes(32)
        config = hardening.container_config(spec, self._instance, key.hex())
        with self.api.client() as client:
            try:
                client.create_container_from_config(config, name=self._there(spec.name))
            except Exception as error:
                if getattr(error, "status_code", None) == 409:
                    return False
                raise
        self._keys[spec.name] = key
        return True

    def _with_volume(self, spec: StepSpec) -> StepSpec:
        """The spec with the volume's name on the engine and, of an overlay, its upper layer."""
        if spec.volume is None:
            return spec
        volume = self._there(spec.volume)
        if spec.volume not in self._uppers:
            with self.api.client() as client:
                self._uppers[spec.volume] = _upper_of(client.inspect_volume(volume))
        return dataclasses.replace(spec, volume=volume, changes=self._uppers[spec.volume])

    def _adopted(self, name: str) -> Started | None:
        """The container, running or ended; None when there is none, or it had to be removed."""
        try:
            facts = self._existing(name)
            self._check_tight(name, facts)
            return self._brought_to_run(name, facts)
        except ContainerLostError:
            return None

    def _brought_to_run(self, name: str, facts: Mapping[str, Any]) -> Started | None:
        """What to do with a container that is there, by its state.

        An agent's that is frozen waits for money: whoever follows it knows what to do.
        """
        state = facts["State"]["Status"]
        if state in ("removing", "dead"):
            self.remove(name)  # waits for its end; its log cannot be read any more
            return None
        if state == "created":
            # Whoever made it died before starting it, or while Docker was starting it.
            try:
                self._call("start", name)
            except DockerUnavailableError:
                raise
            except ContainerError:
                self.remove(name)
                return None
        if state == "paused" and facts["Config"]["Labels"].get("paid.step") != "agent":
            self.unpause(name)
        return Started(name, facts["Id"], adopted=True)

    def _check_tight(self, name: str, facts: Mapping[str, Any]) -> None:
        if facts["Config"]["Labels"].get("paid.instance") != self._instance:
            raise ContainerError(f"A container {name} that Paid did not make is in the way.")
        found = openings(facts)
        if found:
            self.remove(name)
            raise SandboxNotTightError(f"The engine left locks open: {'; '.join(found)}.")

    def _existing(self, name: str) -> dict[str, Any]:
        with self.api.client() as client:
            facts: dict[str, Any] = client.inspect_container(self._there(name))
        return facts

    def _running(self, name: str) -> bool:
        return self._existing(name)["State"]["Status"] in ("running", "paused", "restarting")

    def _call(
        self,
        action: str,
        name: str,
        *arguments: object,
        conflicts_are_fine: bool = False,
        absence_is_fine: bool = False,
    ) -> None:
        try:
            with self.api.client() as client:
                getattr(client, action)(self._there(name), *arguments)
        except ContainerConflictError:
            if not conflicts_are_fine:
                raise
        except ContainerLostError:
            if not absence_is_fine:
                raise

    def _wait_slice(self, name: str, seconds: float) -> None:
        try:
            with self.api.client() as client:
                client.wait(self._there(name), timeout=seconds)
        except DockerUnavailableError:
            # The time was over, or the engine is gone: the next inspect tells which.
            return

    def _filters(self) -> dict[str, list[str]]:
        return {"label": ["paid=1", f"paid.instance={self._instance}"]}


def _exit(state: Mapping[str, Any]) -> Exit:
    return Exit(int(state["ExitCode"]), bool(state["OOMKilled"]), str(state["Error"] or "")[:1000])


def _upper_of(volume: Mapping[str, Any]) -> Path | None:
    """The upper layer of a volume as the engine describes it; None when it is no overlay."""
    options = (volume["Options"] or {}).get("o", "")
    upper = dict(option.partition("=")[::2] for option in options.split(",")).get("upperdir")
    return Path(upper) if upper else None


def _overlay_options(overlay: Overlay) -> dict[str, str]:
    """Options of the local volume driver, which hands them to mount(2).

    Without `redirect_dir` a folder of the lower layer cannot be renamed, and `git mv` fails.
    """
    for folder in (*overlay.lowers, overlay.upper, overlay.work):
        if set(str(folder)) & set(",:\\"):
            raise ContainerError(
                f"An overlay cannot be made of {folder}.",
                hint="Choose a data folder without commas, colons and backslashes in its path.",
            )
    lowers = ":".join(map(str, overlay.lowers))
    mounted = f"lowerdir={lowers},upperdir={overlay.upper},workdir={overlay.work}"
    return {"type": "overlay", "device": "overlay", "o": f"{mounted},redirect_dir=on,index=off"}
