"""What an agent leaves behind is neither lost nor more than it did, whatever state git is in."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import pytest

from paid.containers.task import Task
from paid.containers.workspace import Workspaces
from tests.containers.bench import SMALL, Bench, Repository, git

TREE, STATE = "/workspace/tree", "/workspace/repo.git"
DEEDS = {
    "told to be unchanged": (
        "git update-index --assume-unchanged README.md other/file0.txt;"
        "echo more >> README.md; rm other/file0.txt",
        {"README.md": "M", "other/file0.txt": "D"},
    ),
    "told to be left alone": (
        "git update-index --skip-worktree README.md; echo more >> README.md; echo x > x",
        {"README.md": "M", "x": "A"},
    ),
    "a sparse checkout": (
        "git sparse-checkout set other; test ! -e folder0; echo more >> other/file0.txt;"
        "echo more >> README.md",
        {"README.md": "M", "other/file0.txt": "M"},
    ),
    "a sparse index": (
        "git sparse-checkout set --sparse-index other; echo more >> README.md",
        {"README.md": "M"},
    ),
    "a file put where a sparse checkout has none": (
        "git sparse-checkout set other; mkdir folder0; echo new > folder0/file0.txt",
        {"folder0/file0.txt": "M"},
    ),
    "a branch without commits": (
        "git checkout -q --orphan fresh; echo x > x; git rm -qf README.md",
        {"README.md": "D", "x": "A"},
    ),
    "a branch that is gone": (
        "echo x > x; git add x; git commit -qm x; git update-ref -d HEAD; echo y > y",
        {"x": "A", "y": "A"},
    ),
    "locks of a killed git": (
        f"cd {STATE}; touch worktrees/tree/HEAD.lock worktrees/tree/index.lock HEAD.lock"
        f" packed-refs.lock config.lock refs/heads/main.lock;"
        f"touch refs/heads/$(git -C {TREE} branch --show-current).lock; cd {TREE}; echo x > x",
        {"x": "A"},
    ),
    "no index": (f"rm {STATE}/worktrees/tree/index; echo x > x", {"x": "A"}),
    "half an index": (f"truncate -s 100 {STATE}/worktrees/tree/index; echo x > x", {"x": "A"}),
    "what its owner may not read": (
        "mkdir d; echo x > d/x; chmod 0 d; echo y > y; chmod 0 y;"
        "echo more >> README.md; chmod 0200 README.md; echo more >> other/file0.txt; chmod 0 other",
        {"d/x": "A", "y": "A", "README.md": "M", "other/file0.txt": "M"},
    ),
}


class PlainWorkspaces(Workspaces):
    """As on an engine that cannot mount overlays."""

    def overlays_work(self) -> bool:
        return False


@pytest.fixture(params=["overlay", "plain"])
def one(bench: Bench, request: pytest.FixtureRequest) -> Bench:
    if request.param == "plain":
        bench.workspaces = PlainWorkspaces(bench.engine, bench.settings, bench.image, SMALL)
    return bench


@pytest.mark.parametrize("deed", DEEDS)
def test_what_the_agent_did_is_published_and_nothing_else(
    one: Bench, deed: str, tmp_path: Path
) -> None:
    """Edits were lost, files of a sparse checkout deleted, and runs failed with exit code 98."""
    script, expected = DEEDS[deed]
    done = one.shell(script)
    assert done.exit.code == 0, done.reports
    assert _changed(one, one.head_of(one.bundle(done.name, tmp_path / "run.bundle"))) == expected


@pytest.mark.parametrize(
    ("then", "conflicts"),
    [
        ("", ["README.md"]),
        ("echo both > README.md", []),
        ("git merge --abort", []),
        ("git checkout -q --ours README.md", []),
    ],
)
def test_the_marks_of_a_merge_that_nobody_ended_are_told(
    one: Bench, then: str, conflicts: list[str]
) -> None:
    """`<<<<<<< HEAD` was published where no check reads the file."""
    done = one.shell(
        "git checkout -qb side; echo a > README.md; git commit -qam a; git checkout -q -;"
        f"echo b > README.md; git commit -qam b; git merge -q side; {then}"
    )
    assert done.report("collected")["conflicts"] == conflicts


def test_a_text_with_foreign_line_ends_keeps_them(bench: Bench, tmp_path: Path) -> None:
    """One changed line of a file that was given an older time became a change of every line."""
    repository = _with_foreign_line_ends(tmp_path / "foreign")
    for run_id, script in enumerate(
        [
            "sed -i s/^3/three/ a.md; touch -d 2001-01-01 a.md",
            "cp -r sub t; rm -r sub; cp -rp t sub; rm -r t; sed -i s/^3/three/ a.md",
            f"sed -i s/^3/three/ a.md; rm {STATE}/worktrees/tree/index",
        ],
        bench.run_id + 20_000,
    ):
        one = Bench(bench.engine, bench.settings, bench.image, repository, run_id, project_id=93)
        done = one.shell(script)
        head = one.head_of(one.bundle(done.name, tmp_path / f"{run_id}.bundle"))
        one.clear()
        told = git(repository.source, "diff", "--numstat", repository.base_sha, head)
        assert told == "1\t1\ta.md", script


ONE_LINE = "sed -i s/^3/three/ a.md"
MANY = "mkdir many; for i in $(seq 300); do echo $i > many/$i; done"


@pytest.mark.parametrize("kind", [Workspaces, PlainWorkspaces])
@pytest.mark.parametrize("script", [ONE_LINE, f"{ONE_LINE}; {MANY}"])
def test_texts_whose_line_ends_are_not_their_attributes_are_no_change(
    bench: Bench, tmp_path: Path, kind: type[Workspaces], script: str
) -> None:
    """Every such file was published as changed in each line, or its checks ended with code 98."""
    first = _with_foreign_line_ends(tmp_path / "foreign", "*.txt text eol=crlf\n")
    one = Bench(bench.engine, bench.settings, bench.image, first, bench.run_id, project_id=94)
    one.volume()
    blob = tmp_path / "blob"
    blob.write_bytes(b"1\r\n2\r\n")
    name = git(first.source, "hash-object", "-w", "--no-filters", str(blob))
    git(first.source, "update-index", "--cacheinfo", f"100644,{name},old.txt")
    git(first.source, "commit", "--quiet", "--message", "Move on")
    git(first.mirror, "fetch", "--quiet", str(first.source), "+refs/heads/*:refs/heads/*")
    later = dataclasses.replace(first, base_sha=git(first.source, "rev-parse", "HEAD"))
    two = Bench(bench.engine, bench.settings, bench.image, later, bench.run_id + 30_000, 94)
    two.workspaces = kind(bench.engine, bench.settings, bench.image, SMALL)
    done = two.shell(f"git status --short; {script}; printf 'x\r\n' > sub/old.txt")
    head = two.head_of(two.bundle(done.name, tmp_path / "run.bundle"))
    git(first.mirror, "fetch", "--quiet", str(first.source), f"+{head}:refs/runs/1")
    volume = two.workspaces.create_verify(two.run_id, 1, 94, later.mirror, later.base_sha)
    check = Task(mode="verify", head_sha=head, checks=(("git", "status", "--short"),))
    seen = two.run(two.spec("verify", 1, check, volume=volume))
    two.clear()
    one.clear()
    changed = {path for path in _changed(two, head) if not path.startswith("many/")}
    assert (changed, done.text) == ({"a.md", "sub/old.txt"}, "")
    assert seen.exit.code == 0, seen.reports
    assert seen.report("check")["output"] == ""


def _changed(bench: Bench, head: str) -> dict[str, str]:
    base = bench.repository.base_sha
    told = git(bench.repository.source, "diff", "--name-status", "--no-renames", base, head)
    return {path: status for status, path in (line.split("\t") for line in told.splitlines())}


def _with_foreign_line_ends(folder: Path, more: str = "") -> Repository:
    """Texts that were committed with CR and LF before `text=auto` was said of them."""
    repository = Repository.make(folder)
    source = repository.source
    (source / "sub").mkdir()
    for name in ("a.md", "sub/b.md", "old.txt", "sub/old.txt"):
        (source / name).write_bytes(b"".join(b"%d\r\n" % number for number in range(9)))
    repository.commit("As it came")
    (source / ".gitattributes").write_text(f"*.md text=auto\n{more}")
    subprocess.run(["git", "add", ".gitattributes"], cwd=source, check=True)
    git(source, "commit", "--quiet", "--message", "Say so")
    git(repository.mirror, "fetch", "--quiet", str(source), "+refs/heads/*:refs/heads/*")
    return dataclasses.replace(repository, base_sha=git(source, "rev-parse", "HEAD"))
