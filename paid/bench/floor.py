"""The floor: the least that turns an issue into a pull request, without keeping any promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from time import perf_counter

import httpx

from paid.bench.stage import AGENT, ROBOT, BenchStage
from paid.containers.images import base_image_ref

OWN = re.compile(r"own seconds ([\d.]+)")


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
        """Seconds that `count` bare containers take, two at a time for each core."""
        command = ["docker", "run", "--rm", "--network", "none", "--entrypoint", "true"]
        width, began = 2 * (os.cpu_count() or 1), perf_counter()
        running: list[subprocess.Popen[bytes]] = []
        for _ in range(count):
            if len(running) >= width:
                running.pop(0).wait()
            running.append(subprocess.Popen([*command, base_image_ref()]))
        for process in running:
            process.wait()
        return perf_counter() - began

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
