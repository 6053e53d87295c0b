"""Looking only where the overlay was written finds the same as looking everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.containers.workspace import Workspaces
from tests.containers.bench import SMALL, Bench, git

DEEDS = {
    "nothing": "true",
    "an edit": "echo more >> folder0/file0.txt",
    "the same content again": "cp README.md x; mv x README.md; touch README.md",
    "a deleted file": "rm folder0/file1.txt",
    "a deleted folder": "rm -r folder0",
    "a folder made again": "rm -r folder0; mkdir folder0; echo new > folder0/other.txt",
    "a file for a folder": "rm -r folder0; echo file > folder0",
    "a folder for a file": "rm README.md; mkdir README.md; echo x > README.md/x",
    "a new tree": "mkdir -p a/b/c; echo 1 > a/b/c/1; echo 2 > a/2",
    "ignored files": "echo '*.log' > .gitignore; echo x > x.log; mkdir logs; echo y > logs/y.log",
    "ignored but tracked": "echo 'folder0/' > .gitignore; echo x >> folder0/file0.txt",
    "committed then deleted": "echo x > x; git add x; git commit -qm x; rm x",
    "staged then deleted": "echo x > x; git add x; rm x",
    "committed then put back": "rm README.md; git commit -qam x;"
    " git show HEAD^:README.md > README.md",
    "staged then changed": "echo 1 > x; git add x; echo 2 > x",
    "a reset": "echo x > x; git add x; git commit -qm x; git reset -q --hard HEAD^; echo y > y",
    "an executable": "chmod +x README.md",
    "a link": "rm README.md; ln -s folder0/file0.txt README.md",
    "swapped old folders": "mv folder0 t; mv other folder0; mv t other",
    "a renamed folder": "git mv folder0 folder1",
    "swapped folders": "cp -r folder0 b; echo x > b/file0.txt; git add b; mv folder0 t;"
    " mv b folder0; mv t b",
    "a pipe": "rm README.md; mkfifo README.md; echo x > x",
    "unreadable": "echo x > x; chmod 0 x; echo y > y",
    "a nested repository": "git init -q n; GIT_COMMITTER_DATE=@1 git -C n commit -q"
    " --date=@1 --allow-empty -m x; echo y > y",
    "odd names": "touch -- -x ':(top)y' '*' \"$(printf 'a\\nb')\" \"$(printf '\\377')\"",
    "very many": "mkdir many; for i in $(seq 300); do echo $i > many/$i; echo $i > $i; done",
    "litter": "echo x > .litter.md; mkdir -p a; echo x > a/.litter.db; echo y > y",
}


class PlainWorkspaces(Workspaces):
    """As on an engine that cannot mount overlays."""

    def overlays_work(self) -> bool:
        return False


@pytest.mark.parametrize("deed", DEEDS)
def test_both_ways_of_looking_commit_the_same_tree(bench: Bench, deed: str, tmp_path: Path) -> None:
    trees = []
    for run_id in (bench.run_id, bench.run_id + 100_000):
        one = Bench(bench.engine, bench.settings, bench.image, bench.repository, run_id)
        if run_id != bench.run_id:
            one.workspaces = PlainWorkspaces(one.engine, one.settings, one.image, SMALL)
        done = one.shell(DEEDS[deed], litter=(".litter*",))
        assert done.exit.code == 0, done.text
        trees.append(tree_of(one, done.name, tmp_path) if done.report("collected")["head"] else "")
        one.clear()
    assert trees[0] == trees[1]


def tree_of(bench: Bench, name: str, folder: Path) -> str:
    head = bench.head_of(bench.bundle(name, folder / f"{bench.run_id}.bundle"))
    return git(bench.repository.source, "ls-tree", "-r", head)
