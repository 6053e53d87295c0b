"""The floor: the least that turns an issue into a pull request, without keeping any promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import httpx

from paid.bench.stage import AGENT, ROBOT, BenchStage
from paid.containers.contract import Limits
from paid.containers.hardening import USER
from paid.containers.images import base_image_ref

OWN = re.compile(r"own seconds ([\d.]+)")
STARTS_A_CORE = (1, 2)
_LIMITS = Limits()
LOCKS = [
    *("--network", "none", "--user", USER, "--cap-drop", "ALL", "--read-only"),
    *("--security-opt", "no-new-privileges:true", "--pids-limit", str(_LIMITS.pids)),
    *("--memory", str(_LIMITS.memory_bytes), "--memory-swap", str(_LIMITS.memory_bytes)),
    *(
        "--cpus",
        str(_LIMITS.cpus),
        "--tmpfs",
        f"/tmp:rw,exec,nosuid,nodev,size={_LIMITS.tmp_bytes}",  # noqa: S108
    ),
]
"""What a careful person would give `docker run`: the limits that Paid's containers have."""


class BareScript:
    """fetch, `git worktree add`, `docker run`, commit, push, one call of the API."""

    def __init__(self, stage: BenchStage, repository: str) -> None:
        self._stage, self._repository = stage, repository
        self._mirror = stage.folder / "floor" / f"{repository.replace('/', '-')}.git"
        url = stage.forge.url.replace("://", f"://{ROBOT}:{stage.token}@", 1)
        self._remote = f"{url}/{repository}.git"
        self._count = 0
        self._git("clone", "--quiet", "--bare", self._remote, str(self._mirror), at=stage.folder)
        self._http = httpx.Client(headers={"Authorization": f"Bearer {stage.token}"}, timeout=30)

    def run(self) -> tuple[float, dict[str, float]]:
        """Seconds without the agent's own, and the share of each step."""
        self._count += 1
        branch, tree = f"floor-{self._count}", self._mirror.parent / f"tree-{self._count}"
        steps: dict[str, float] = {}
        began = last = perf_counter()

        def done(name: str) -> None:
            nonlocal last
            steps[name], last = perf_counter() - last, perf_counter()

        self._git("fetch", "--quiet", self._remote, "+refs/heads/main:refs/heads/main")
        done("fetch")
        self._git("worktree", "add", "--quiet", "-b", branch, str(tree), "main")
        subprocess.run(["chown", "1000:1000", str(tree)], check=False)
        done("worktree")
        own = self._agent(tree)
        done("container")
        self._git("add", "--all", at=tree)
        self._git("commit", "--quiet", "-m", "Make a file", at=tree)
        self._git("push", "--quiet", self._remote, branch)
        done("push")
        answer = self._http.post(
            f"{self._stage.forge.api_url}/repos/{self._repository}/pulls",
            json={"title": "Make a file", "head": branch, "base": "main"},
        )
        answer.raise_for_status()
        done("pull request")
        seconds = perf_counter() - began - own
        self._git("worktree", "remove", "--force", str(tree))
        shutil.rmtree(tree, ignore_errors=True)
        return seconds, steps

    def start_containers(self, count: int) -> float:
        """Seconds until `count` bare containers have started, so many at a time as goes quickest.

        `docker run` with the image, the limits and the stub agent of Paid's own; removing them is
        no part of it. Some at a time for each core: which is best depends on the machine.
        """
        cores = os.cpu_count() or 1
        return min(self._started(count, width * cores) for width in STARTS_A_CORE)

    def _started(self, count: int, width: int) -> float:
        label = f"paid.bench={self._mirror.name}"
        command = ["docker", "run", "--detach", "--label", label, *LOCKS, "--workdir", "/tmp"]  # noqa: S108
        command += ["--entrypoint", AGENT[0], base_image_ref(), *AGENT[1:]]
        began = perf_counter()
        with ThreadPoolExecutor(width) as threads:
            runs = [
                threads.submit(subprocess.run, command, check=True, capture_output=True)
                for _ in range(count)
            ]
        seconds = perf_counter() - began
        for started in runs:
            started.result()
        found = ["docker", "ps", "--all", "--quiet", "--filter", f"label={label}"]
        ids = subprocess.run(found, check=True, capture_output=True, text=True).stdout.split()
        subprocess.run(["docker", "rm", "--force", *ids], check=True, capture_output=True)
        return seconds

    def _agent(self, tree: Path) -> float:
        argv = ["docker", "run", "--rm", "--network", "none", "--user", "1000:1000"]
        argv += ["--volume", f"{tree}:/workspace/tree", "--workdir", "/workspace/tree"]
        argv += ["--entrypoint", AGENT[0], base_image_ref(), *AGENT[1:]]
        said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
        found = OWN.search(said)
        return float(found[1]) if found else 0.0

    def _git(self, *arguments: str, at: Path | None = None) -> None:
        who = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost"]
        argv = ["git", "-C", str(at or self._mirror), *who, "-c", "safe.directory=*", *arguments]
        subprocess.run(argv, check=True, capture_output=True)
