"""What programs find around them in a container, agent and checks alike: names, folders, refs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from paid.containers.engine import DockerEngine
from paid.containers.task import Task
from tests.containers.bench import Bench, Repository, git

LOOK = r"""
import json, os, shutil, socket, subprocess, tempfile, time
def out(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "!" + done.stderr.strip()
def served(address, family=socket.AF_INET):
    with socket.socket(family) as server:
        server.bind((address, 0))
        server.listen()
        with socket.create_connection(("localhost", server.getsockname()[1]), 5):
            return True
def writable(folder):
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"x")
    return True
begun = time.monotonic()
try:
    socket.getaddrinfo("registry.example", 443)
except OSError as error:
    lookup = error.errno
print(json.dumps({
    "localhost": sorted({a[4][0] for a in socket.getaddrinfo("localhost", 80)}),
    "own name": socket.gethostbyname(socket.gethostname()),
    "names": [socket.gethostname(), socket.getfqdn(), out("hostname")],
    "served": [served("localhost"), served("127.0.0.1"), served("::1", socket.AF_INET6)],
    "lookup": lookup == socket.EAI_NONAME,
    "seconds": time.monotonic() - begun,
    "folders": [writable(place) for place in ("/tmp", "/var/tmp", "/dev/shm")],
    "CI": os.environ.get("CI"),
    "python": out("python", "--version"),
    "path": os.environ["PATH"].split(":")[0],
    "home": os.environ["HOME"],
    "describe": out("git", "describe", "--tags"),
    "origin": out("git", "rev-parse", "origin/main"),
    "origin's head": out("git", "symbolic-ref", "refs/remotes/origin/HEAD"),
    "merge base": out("git", "merge-base", "HEAD", "origin/main"),
    "remote": out("git", "remote", "get-url", "origin"),
    "fetch": out("git", "fetch", "origin"),
    "hooks": out("git", "config", "core.hooksPath"),
    "hooks folder": out("git", "rev-parse", "--git-path", "hooks"),
}))
"""


@pytest.fixture(scope="module")
def tagged(settings: Any) -> Repository:
    """A repository with a tag, a commit behind it, and another branch."""
    repository = Repository.make(settings.data_dir.parent / "tagged")
    git(repository.source, "tag", "-a", "v1.4.0", "-m", "1.4.0")
    git(repository.source, "branch", "other")
    (repository.source / "new.txt").write_text("new\n")
    git(repository.mirror, "fetch", "--quiet", str(repository.source), "v1.4.0:refs/tags/v1.4.0")
    return repository.commit("Go on")


@pytest.fixture(scope="module", params=["agent", "check"])
def seen(
    docker_engine: DockerEngine, base_image: str, tagged: Repository, request: Any, settings: Any
) -> Iterator[dict[str, Any]]:
    """What an agent, or a check, found."""
    bench = Bench(docker_engine, settings, base_image, tagged, 5100, project_id=51)
    script = ("python3", "-c", LOOK)
    try:
        if request.param == "agent":
            text = bench.agent(*script).text.splitlines()[-1]
        else:
            task = Task(mode="verify", head_sha=tagged.base_sha, checks=(script,))
            text = bench.run(bench.spec("verify", 1, task)).report("check")["output"]
        yield json.loads(text)
    finally:
        bench.clear()


def test_localhost_is_this_container(seen: dict[str, Any]) -> None:
    assert "127.0.0.1" in seen["localhost"]
    assert seen["served"] == [True, True, True]


def test_the_containers_own_name_resolves(seen: dict[str, Any]) -> None:
    assert seen["own name"].startswith("127.")
    assert set(seen["names"]) == {"paid"}


def test_other_names_are_unknown_at_once(seen: dict[str, Any]) -> None:
    assert seen["lookup"]
    assert seen["seconds"] < 1.0


def test_the_usual_folders_for_scratch_files_can_be_written(seen: dict[str, Any]) -> None:
    assert seen["folders"] == [True, True, True]


def test_programs_know_that_nobody_watches_and_find_python(seen: dict[str, Any]) -> None:
    assert seen["CI"] == "true"
    assert seen["python"].startswith("Python 3")
    assert seen["path"] == f"{seen['home']}/.local/bin"


def test_git_knows_the_tags_and_where_origin_is(seen: dict[str, Any], tagged: Repository) -> None:
    assert seen["describe"].startswith("v1.4.0-1-g")
    assert seen["origin"] == seen["merge base"] == tagged.base_sha
    assert seen["origin's head"] == "refs/remotes/origin/main"
    assert seen["remote"] == "/mirror"
    assert seen["fetch"] == ""


def test_hooks_can_be_installed(seen: dict[str, Any]) -> None:
    """`pre-commit install` refuses where core.hooksPath is set."""
    assert seen["hooks"].startswith("!")


def test_a_hook_of_the_agents_runs_for_the_agent_and_not_for_us(bench: Bench) -> None:
    hook = (
        "h=$(git rev-parse --git-path hooks); mkdir -p $h;"
        " printf '#!/bin/sh\\necho hooked >> /workspace/hooked\\n' > $h/pre-commit;"
        " chmod +x $h/pre-commit; echo 1 > one; git add one; git commit -qm one; echo 2 > two"
    )
    assert bench.shell(hook).report("collected")["commits"] == 2
    assert bench.shell("cat /workspace/hooked", number=2).text == "hooked"


def test_what_is_installed_for_the_user_is_found(bench: Bench) -> None:
    installed = "mkdir -p ~/.local/bin; printf '#!/bin/sh\\necho mine' > ~/.local/bin/tool; "
    bench.shell(installed + "chmod +x ~/.local/bin/tool; touch ~/.local/bin/broken")
    assert bench.agent("tool", number=2).text == "mine"
    assert bench.agent("broken", number=3).report("agent_exit")["code"] == 126


def test_tags_of_a_later_base_are_there_too(bench: Bench, tmp_path: Path) -> None:
    repository = Repository.make(tmp_path / "moving")
    one = Bench(bench.engine, bench.settings, bench.image, repository, bench.run_id, project_id=52)
    one.volume()
    git(repository.source, "tag", "v2.0")
    (repository.source / "later.txt").write_text("later\n")
    later = repository.commit("Move on")
    git(later.mirror, "fetch", "--quiet", str(later.source), "v2.0:refs/tags/v2.0")
    two = Bench(bench.engine, bench.settings, bench.image, later, bench.run_id + 70_000, 52)
    done = two.shell("git describe --tags; git rev-parse origin/HEAD")
    two.clear()
    one.clear()
    described, origin = done.text.splitlines()
    assert described.startswith("v2.0-1-g")
    assert origin == later.base_sha
