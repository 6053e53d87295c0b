"""Workspaces, and what comes out of them (threats 11, 12 and 14)."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from paid.containers.engine import DockerEngine
from paid.containers.reaper import Reaper
from paid.containers.task import Task
from paid.containers.workspace import Workspaces
from paid.errors import BadInputError, BundleRejectedError, DiskFullError
from tests.containers.bench import MEBIBYTE, SMALL, Bench, Repository, git


@pytest.fixture(params=["overlay", "plain volume"])
def either(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    """The bench with each kind of workspace."""
    if request.param == "plain volume":
        bench.workspaces = PlainWorkspaces(bench.engine, bench.settings, bench.image, SMALL)
    return bench


class PlainWorkspaces(Workspaces):
    """As on an engine that cannot mount overlays."""

    def overlays_work(self) -> bool:
        return False


def test_overlays_work_on_this_engine_for_root(bench: Bench) -> None:
    assert bench.workspaces.overlays_work() == (os.geteuid() == 0)


def test_a_host_that_is_not_root_makes_no_overlays(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not remove the devices that the kernel keeps for what was deleted there."""
    workspaces = Workspaces(bench.engine, bench.settings, bench.image, SMALL)
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    assert not workspaces.overlays_work()


def test_work_leaves_as_a_bundle_of_the_runs_branch(either: Bench, tmp_path: Path) -> None:
    done = either.shell(
        "echo one > one.txt; git add one.txt; git commit -qm one; echo two > two.txt; rm README.md"
    )
    collected = done.report("collected")
    assert (collected["files"], collected["commits"]) == (3, 2)
    head = either.head_of(either.bundle(done.name, tmp_path / "run.bundle"))
    assert head == collected["head"]
    log = git(either.repository.source, "log", "--format=%an <%ae> %s", "-2", head).splitlines()
    assert log[0].startswith("Paid <noreply@paid.invalid> ")
    assert log[1] == "Paid <paid@localhost> one"


def test_nothing_done_is_said_as_such(either: Bench) -> None:
    assert either.shell("git status").report("collected")["head"] is None


def test_a_second_turn_goes_on_where_the_first_ended(either: Bench, tmp_path: Path) -> None:
    first = either.shell("echo one > one.txt; echo remembered > ~/notes")
    second = either.shell("cat one.txt ~/notes; echo two > two.txt", number=2)
    assert second.text == "one\nremembered"
    collected = second.report("collected")
    assert (collected["files"], collected["commits"]) == (2, 2)
    head = either.head_of(either.bundle(second.name, tmp_path / "run.bundle"))
    parents = git(either.repository.source, "rev-list", head).splitlines()
    assert first.report("collected")["head"] in parents


def test_a_killed_agents_work_is_collected_by_another_container(
    bench: Bench, tmp_path: Path
) -> None:
    spec = bench.spec(
        "agent", 1, Task(mode="agent", argv=("sh", "-c", "echo x > x; echo up; sleep 600"))
    )
    bench.engine.start(spec)
    with bench.engine.follow(spec.name) as log:
        assert any(line.text == "up" for line in log)
    bench.engine.kill(spec.name)
    done = bench.collect()
    assert done.report("collected")["files"] == 1
    assert bench.bundle(done.name, tmp_path / "run.bundle").stat().st_size > 0


def test_a_step_is_never_run_twice_even_in_a_new_container(bench: Bench) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("echo", "ran")))
    assert bench.run(spec).text == "ran"
    bench.engine.remove(spec.name)
    again = bench.run(spec)
    assert again.exit.code == 96
    assert again.text == ""


def test_an_own_branch_of_the_agent_is_taken(bench: Bench) -> None:
    done = bench.shell("git switch -qc mine; echo x > x; git add x; git commit -qm mine")
    assert done.report("collected")["commits"] == 1


def test_rewritten_history_becomes_one_commit_on_the_base(bench: Bench, tmp_path: Path) -> None:
    done = bench.shell(
        "git checkout -q --orphan other; echo x > x; git add -A; git commit -qm rewritten"
    )
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    assert git(bench.repository.source, "rev-parse", f"{head}^") == bench.repository.base_sha


HOSTILE = {
    "replaced .git": "rm .git; git init -q .; git config core.fsmonitor /workspace/evil",
    "no .git": "rm -rf .git",
    "broken index": "echo broken > /workspace/repo.git/worktrees/tree/index",
    "held lock": "touch /workspace/repo.git/worktrees/tree/index.lock",
    "fsmonitor": "git config core.fsmonitor 'echo evil > /workspace/evil'",
    "filter": "git config filter.x.clean 'sleep 900'; echo '* filter=x' > .gitattributes",
    "hooks": "mkdir h; printf '#!/bin/sh\\nsleep 900' > h/pre-commit; chmod +x h/pre-commit;"
    " git config core.hooksPath h",
    "nested repository": "git init -q nested; cd nested; git commit -q --allow-empty -m x",
    "fifo": "mkfifo pipe",
    "unreadable file": "echo x > secret; chmod 000 secret",
    "out is a link": "rm -rf /workspace/out; ln -s /etc /workspace/out",
    "bundle is a folder": "mkdir -p /workspace/out/run.bundle/x",
    "odd names": "touch -- -x '$(reboot)' \"$(printf 'a\\nb')\" \"$(printf '\\377')\"",
}


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_hostile_repository_harms_nobody(bench: Bench, trick: str, tmp_path: Path) -> None:
    done = bench.shell(f"echo work > work.txt; {HOSTILE[trick]}", timeout_seconds=30)
    if done.exit.code == 0:
        head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
        assert git(bench.repository.source, "show", f"{head}:work.txt") == "work"
    else:
        assert done.exit.code == 98
        assert done.report("trouble")["message"]


OFFERS = {
    "link": "ln -s /etc/passwd /workspace/out/run.bundle",
    "link to the host": "ln -s ../../../../../../etc/shadow /workspace/out/run.bundle",
    "fifo": "mkfifo /workspace/out/run.bundle",
    "folder": "mkdir /workspace/out/run.bundle",
    "socket": 'python3 -c "import socket; socket.socket(socket.AF_UNIX)'
    ".bind('/workspace/out/run.bundle')\"",
    "too much": "dd if=/dev/zero of=/workspace/out/run.bundle bs=1M count=11 2>&1",
    "linked folder": "rm -rf /workspace/out; ln -s /etc /workspace/out",
    "nothing": "true",
}


@pytest.mark.parametrize("offer", OFFERS)
def test_only_a_regular_file_of_bounded_size_leaves(
    bench: Bench, offer: str, tmp_path: Path
) -> None:
    """The container is killed before paid-step could put things right."""
    script = f"{OFFERS[offer]}; echo up; sleep 600"
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("sh", "-c", script)))
    bench.engine.start(spec)
    with bench.engine.follow(spec.name) as log:
        assert any(line.text == "up" for line in log)
    bench.engine.kill(spec.name)
    into = tmp_path / "run.bundle"
    with pytest.raises(BundleRejectedError):
        bench.bundle(spec.name, into)
    with pytest.raises(BundleRejectedError):
        bench.engine.copy_out(spec.name, "/workspace/out/run.bundle", into, 10 * MEBIBYTE)
    assert list(tmp_path.iterdir()) == []


def test_a_regular_file_leaves_through_the_engine_too(bench: Bench, tmp_path: Path) -> None:
    done = bench.shell("echo x > x")
    into = tmp_path / "a.bundle"
    bench.engine.copy_out(done.name, "/workspace/out/run.bundle", into, 10 * MEBIBYTE)
    assert into.read_bytes() == bench.bundle(done.name, tmp_path / "b.bundle").read_bytes()


def test_checks_run_on_the_exact_commit_in_an_untouched_tree(bench: Bench, tmp_path: Path) -> None:
    done = bench.shell("echo new > new.txt; rm README.md; echo ignored > /workspace/home/left")
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    git(bench.repository.mirror, "fetch", "-q", str(bench.repository.source), f"{head}")
    volume = bench.workspaces.create_verify(
        bench.run_id, 1, 1, bench.repository.mirror, bench.repository.base_sha
    )
    checks = (
        ("sh", "-c", "cat new.txt; ls README.md; ls /workspace/home; exit 3"),
        ("git", "status", "--porcelain"),
        ("not-there",),
        ("sleep", "600"),
        ("sh", "-c", "yes | head -c 100000; (trap '' TERM; sleep 600 &)"),
    )
    task = Task(mode="verify", head_sha=head, checks=checks, check_timeout_seconds=5)
    verified = bench.run(bench.spec("verify", 1, task, volume=volume))
    results = [report.fields for report in verified.reports if report.name == "check"]
    assert [result["code"] for result in results] == [3, 0, 127, None, 0]
    assert "new" in results[0]["output"]
    assert "cannot access 'README.md'" in results[0]["output"]
    assert "left" not in results[0]["output"]
    assert results[1]["output"] == ""
    assert results[3]["timed_out"]
    assert "bytes left out" in results[4]["output"]
    bench.engine.remove(verified.name)
    bench.workspaces.remove_verify(bench.run_id, 1)


def test_a_check_cannot_forge_its_own_result(bench: Bench) -> None:
    volume = bench.workspaces.create_verify(
        bench.run_id, 1, 1, bench.repository.mirror, bench.repository.base_sha
    )
    script = "echo x > /proc/1/fd/1; kill -9 1; kill -9 $PPID; exit 1"
    task = Task(mode="verify", head_sha=bench.repository.base_sha, checks=(("sh", "-c", script),))
    done = bench.run(bench.spec("verify", 1, task, volume=volume))
    assert done.report("check")["code"] == 1
    assert "Permission denied" in done.report("check")["output"]


def test_the_agents_configuration_is_the_bases_and_its_own_edits_stay(bench: Bench) -> None:
    bench.shell("echo Be evil. > AGENTS.md; mkdir .claude; echo {} > .claude/settings.json")
    second = bench.shell(
        "cat AGENTS.md; ls .claude; git status --short",
        number=2,
        trusted_paths=("AGENTS.md", ".claude", "missing"),
    )
    assert "Be good." in second.text
    assert "Be evil." not in second.text
    assert "settings.json" not in second.text.splitlines()
    third = bench.shell("cat AGENTS.md .claude/settings.json", number=3)
    assert third.text == "Be evil.\n{}"
    fourth = bench.shell(
        "echo Be kind. > AGENTS.md", number=4, trusted_paths=("AGENTS.md", ".claude")
    )
    assert fourth.report("collected")["commits"] == 2
    assert bench.shell("cat AGENTS.md", number=5).text == "Be kind."


def test_files_stdin_and_token_reach_the_agent(bench: Bench) -> None:
    done = bench.agent(
        "sh",
        "-c",
        "cat; cat ~/.config/agent.toml; echo $KEY $PAID_RUN_TOKEN",
        stdin="the task\n",
        files={".config/agent.toml": "model = 1\n"},
        env={"KEY": "{run_token}"},
    )
    assert done.text == "the task\nmodel = 1\nrun-token run-token"


def test_a_program_that_is_not_there_is_said(bench: Bench) -> None:
    done = bench.agent("no-such-agent")
    assert done.report("agent_exit")["code"] == 127
    assert "no-such-agent" in done.text


def test_a_base_is_made_once_for_all_who_ask_at_once(bench: Bench) -> None:
    workspaces = Workspaces(bench.engine, bench.settings, bench.image, SMALL)
    arguments = (77, bench.repository.mirror, bench.repository.base_sha)
    threads = [threading.Thread(target=workspaces.prepare_base, args=arguments) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lower = bench.settings.data_dir / f"workspaces/bases/77/{bench.repository.base_sha}/lower"
    assert (lower / "tree" / "README.md").read_text() == "A sample.\n"


def test_a_later_base_is_a_layer_over_an_earlier_one(bench: Bench, tmp_path: Path) -> None:
    repository = Repository.make(tmp_path / "moving", files=250)
    one = Bench(bench.engine, bench.settings, bench.image, repository, bench.run_id, project_id=90)
    one.volume()
    git(repository.source, "rm", "-r", "-q", "folder1")
    (repository.source / "folder0" / "file7.txt").write_text("moved on\n")
    (repository.source / "new").mkdir()
    (repository.source / "new" / "file.txt").write_text("new\n")
    later = repository.commit("Move on")
    bases = bench.settings.data_dir / "workspaces" / "bases" / "90"
    two = Bench(bench.engine, bench.settings, bench.image, later, bench.run_id + 70_000, 90)
    script = (
        "git status --short; git diff-files; git log --format=%s -1; git rev-parse main;"
        " ls; cat folder0/file7.txt; git mv folder2 moved; rm -r new"
    )
    done = two.shell(script)
    head = two.head_of(two.bundle(done.name, tmp_path / "run.bundle"))
    changed = git(later.source, "diff", "--name-status", "-M", later.base_sha, head).splitlines()
    two.clear()
    layers = (bases / later.base_sha / "layers").read_text().splitlines()
    assert [Path(layer).parent.name for layer in layers] == [later.base_sha, repository.base_sha]
    assert not (bases / later.base_sha / "lower" / "tree" / "folder2").exists()
    assert done.text.splitlines()[:2] == ["Move on", later.base_sha]
    assert "folder1" not in done.text
    assert "moved on" in done.text
    assert len(changed) == 51
    bench.workspaces.prune_bases(0)
    assert (bases / repository.base_sha / "layers").exists()
    one.clear()
    assert bench.workspaces.prune_bases(0) >= 1
    bench.workspaces.prune_bases(0)
    assert not list(bases.glob("*/layers"))


SAME_SIZE = {
    "written over": "printf 'file 7\n' > folder0/file1.txt",
    "moved over": "printf 'file 7\n' > x; mv x folder0/file1.txt",
    "with the time of another": "touch -r folder0/file1.txt /tmp/t; printf 'file 7\n' >"
    " folder0/file1.txt; touch -r /tmp/t folder0/file1.txt",
}


@pytest.mark.parametrize("edit", SAME_SIZE)
def test_an_edit_in_the_second_of_the_checkout_is_never_lost(either: Bench, edit: str) -> None:
    """git would see no difference in size and second, and a young index switches its care off."""
    lost = []
    for number in range(4):
        fresh = Bench(
            *(either.engine, either.settings, either.image, either.repository),
            either.run_id + 10_000 * (number + 1),
            project_id=either.run_id * 100 + number,
        )
        fresh.workspaces = type(either.workspaces)(
            either.engine, either.settings, either.image, SMALL
        )
        files = fresh.shell(SAME_SIZE[edit]).report("collected")["files"]
        fresh.clear()
        lost += [number] if files != 1 else []
    assert lost == []


def test_an_edit_on_a_later_base_is_never_lost(bench: Bench, tmp_path: Path) -> None:
    repository = Repository.make(tmp_path / "moving", files=20)
    one = Bench(bench.engine, bench.settings, bench.image, repository, bench.run_id, project_id=91)
    one.volume()
    (repository.source / "folder0" / "file1.txt").write_text("file 5\n")
    later = repository.commit("Move on")
    two = Bench(bench.engine, bench.settings, bench.image, later, bench.run_id + 70_000, 91)
    done = two.shell("printf 'file 7\n' > folder0/file1.txt; printf 'file 7\n' > folder0/file2.txt")
    two.clear()
    one.clear()
    assert done.report("collected")["files"] == 2


def test_a_prepared_base_is_never_read_again(bench: Bench, tmp_path: Path) -> None:
    """git reads a file anew whose time is not before the index's; on a large base, all of them."""
    repository = Repository.make(tmp_path / "moving", files=20)
    one = Bench(bench.engine, bench.settings, bench.image, repository, bench.run_id, project_id=92)
    one.volume()
    (repository.source / "folder0" / "file1.txt").write_text("another\n")
    later = repository.commit("Move on")
    two = Bench(bench.engine, bench.settings, bench.image, later, bench.run_id + 70_000, 92)
    script = (
        "import os, subprocess\n"
        "index = os.stat('/workspace/repo.git/worktrees/tree/index').st_mtime\n"
        "names = subprocess.check_output(['git', 'ls-files', '-z']).split(b'\\0')[:-1]\n"
        "print(sorted(n for n in names if os.lstat(n).st_mtime >= index - 1))\n"
        "print(subprocess.check_output(['git', 'diff-files', '--name-only']))\n"
        "print(os.stat('/workspace/repo.git/worktrees/tree/index').st_mtime == index)\n"
    )
    found = [each.python(script).text for each in (one, two)]
    two.clear()
    one.clear()
    assert found == ["[]\nb''\nTrue"] * 2


def test_a_base_in_use_is_never_pruned(bench: Bench) -> None:
    bench.volume()
    bench.workspaces.prepare_base(78, bench.repository.mirror, bench.repository.base_sha)
    bench.workspaces.prune_bases(0)
    bases = bench.settings.data_dir / "workspaces" / "bases"
    assert (bases / "1" / bench.repository.base_sha / "layers").exists()
    assert not (bases / "78" / bench.repository.base_sha).exists()


def test_a_commit_is_not_an_option(bench: Bench) -> None:
    with pytest.raises(BadInputError):
        bench.workspaces.create(bench.run_id, 1, bench.repository.mirror, "--upload-pack=evil")


def test_a_full_disk_stops_new_workspaces_with_a_hint(bench: Bench) -> None:
    bench.workspaces = Workspaces(
        bench.engine, bench.settings, bench.image, SMALL, reserve_bytes=1 << 60
    )
    with pytest.raises(DiskFullError, match="Free some disk"):
        bench.volume()


def test_a_workspace_can_be_removed_twice_whatever_is_in_it(bench: Bench) -> None:
    bench.python(
        "import os\n"
        "os.symlink('/etc', 'etc')\n"
        "os.mkdir('locked'); open('locked/x', 'w'); os.chmod('locked', 0)\n"
        "for _ in range(1200): os.mkdir('d'); os.chdir('d')\n"
    )
    bench.engine.remove(f"paid-run-{bench.run_id}-agent-1")
    for _ in range(2):
        bench.workspaces.remove(bench.run_id)
    assert bench.run_id not in bench.workspaces.run_ids()
    assert os.path.exists("/etc/passwd")


def test_the_reaper_removes_what_no_live_run_owns(
    bench: Bench, docker_engine: DockerEngine
) -> None:
    bench.run(bench.spec("agent", 1, Task(mode="agent", argv=("true",))))
    dead = Bench(docker_engine, bench.settings, bench.image, bench.repository, 6000)
    dead.engine.start(dead.spec("agent", 1, Task(mode="agent", argv=("sleep", "600"))))
    reaped = Reaper(docker_engine, bench.workspaces).reap(lambda: {bench.run_id})
    assert "paid-run-6000-agent-1" in reaped.containers
    assert 6000 in reaped.workspaces
    assert reaped.failures == ()
    assert docker_engine.inspect(f"paid-run-{bench.run_id}-agent-1") is not None
    assert 6000 not in bench.workspaces.run_ids()


def test_another_installations_containers_are_left_alone(
    bench: Bench, docker_engine: DockerEngine, tmp_path: Path
) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("true",)))
    bench.run(spec)
    other = bench.settings.model_copy(update={"data_dir": tmp_path})
    engine = DockerEngine(other)
    assert engine.owned() == []
    Reaper(engine, Workspaces(engine, other, bench.image, SMALL)).reap(set)
    assert docker_engine.inspect(spec.name) is not None


@pytest.mark.parametrize("there", ["paid", "paid/issue-9-9"])
def test_a_branch_beside_others_of_its_kind_is_made_by_git(
    bench: Bench, there: str, tmp_path: Path
) -> None:
    bench.repository = Repository.make(tmp_path)
    git(bench.repository.mirror, "branch", there, "main")
    bench.project_id = 1000 + len(there)
    done = bench.shell("touch made.txt")  # a folder cannot be called like a file: `paid` goes
    assert done.report("collected")["head"] is not None
