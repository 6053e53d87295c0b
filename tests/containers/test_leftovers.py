"""Looking only where the overlay was written finds the same as looking everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.containers.workspace import Workspaces
from tests.containers.bench import SMALL, Bench, git

DEEDS = {
    "nothing": "true; touch README.md",
    "edits of all kinds": (
        "echo more >> folder0/file0.txt; cp AGENTS.md x; mv x AGENTS.md; rm folder0/file1.txt;"
        "rm README.md; ln -s folder0/file0.txt README.md; chmod +x folder0/file2.txt;"
        "mkdir -p a/b/c; echo 1 > a/b/c/1; echo 2 > a/2;"
        "touch -- -x ':(top)y' '*' \"$(printf 'a\\nb')\" \"$(printf '\\377')\";"
        "echo x > .litter.md; echo x > a/.litter.db"
    ),
    "a deleted folder": "rm -r folder0",
    "a folder made again": "rm -r folder0; mkdir folder0; echo new > folder0/other.txt",
    "files and folders change places": (
        "rm -r folder0; echo file > folder0; rm README.md; mkdir README.md; echo x > README.md/x"
    ),
    "ignored files": (
        "printf '*.log\\nfolder0/\\n' > .gitignore; echo x >> folder0/file0.txt; echo x > x.log;"
        "mkdir logs; echo y > logs/y.log; echo z > folder0/z.txt"
    ),
    "committed and staged, then deleted or changed": (
        "echo x > x; git add x; git commit -qm x; rm x; echo s > s; git add s; rm s;"
        "rm README.md; git commit -qam y; git show HEAD^:README.md > README.md;"
        "echo 1 > t; git add t; echo 2 > t"
    ),
    "a reset": "echo x > x; git add x; git commit -qm x; git reset -q --hard HEAD^; echo y > y",
    "a renamed folder": "git mv folder0 folder1",
    "swapped folders": "mv folder0 t; mv other folder0; mv t other",
    "what git cannot take": (
        "rm README.md; mkfifo README.md; echo x > x; chmod 0 x; echo y > y;"
        "git init -q n; GIT_COMMITTER_DATE=@1 git -C n commit -q --date=@1 --allow-empty -m x"
    ),
    "very many": "mkdir many; for i in $(seq 300); do echo $i > many/$i; echo $i > $i; done",
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
