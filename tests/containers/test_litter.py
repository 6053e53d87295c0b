"""What people ignore and agents commit stays out; sources that are called alike do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.containers.image.paid_step import litter
from tests.containers.bench import Bench, Repository, git

LITTER = {
    "installed packages": ("web/node_modules/left-pad/index.js", "web/node_modules"),
    "a virtual environment": (".venv/lib/x.py", ".venv"),
    "bytecode": ("src/__pycache__/a.cpython-311.pyc", "src/__pycache__"),
    "bytecode alone": ("src/a.pyc", "src/a.pyc"),
    "a Mac's": ("docs/.DS_Store", "docs/.DS_Store"),
    "settings": (".env", ".env"),
    "settings of one machine": ("api/.env.production.local", "api/.env.production.local"),
    "a test cache": (".pytest_cache/v/x", ".pytest_cache"),
    "Gradle's": (".gradle/8/x", ".gradle"),
    "an egg": ("app.egg-info/PKG-INFO", "app.egg-info"),
    "an object": ("src/a.o", "src/a.o"),
    "a state with its secrets": ("infra/terraform.tfstate", "infra/terraform.tfstate"),
}


@pytest.mark.parametrize("name", LITTER)
def test_litter_is_known_by_its_name(name: str) -> None:
    path, root = LITTER[name]
    assert litter.roots([path, "src/app.py"], lambda: ["README.md"]) == {root: [path]}


@pytest.mark.parametrize(
    ("added", "root"),
    [
        (["env/pyvenv.cfg", "env/bin/python"], "env"),
        (["my tools/pyvenv.cfg"], "my tools"),
        (["out/CACHEDIR.TAG", "out/x"], "out"),
        (["Cargo.toml", "target/debug/app"], "target"),
        (["a/pom.xml", "a/target/classes/A.txt"], "a/target"),
        (["CMakeLists.txt", "out/CMakeCache.txt", "out/x"], "out"),
        (["build.gradle.kts", "build/libs/a.jar"], "build"),
        (["setup.py", "build/lib/a.py"], "build"),
        (["pyproject.toml", "dist/a-1.0-py3-none-any.whl"], "dist"),
        (["composer.json", "vendor/autoload.php"], "vendor"),
        (["App.csproj", "obj/project.assets.json"], "obj"),
        (["package.json", "coverage/lcov.info"], "coverage"),
    ],
)
def test_a_folder_is_litter_by_what_lies_in_and_beside_it(added: list[str], root: str) -> None:
    assert list(litter.roots(added, lambda: [])) == [root]


@pytest.mark.parametrize(
    "added",
    [
        ["target/main.go"],
        ["src/target/Target.java"],
        ["Cargo.toml", "target/README.md"],
        ["build/build.py", "scripts/build/x.sh"],
        ["setup.py", "build/docker/Dockerfile"],
        ["dist/index.js", "package.json"],
        ["env/settings.py", "venv.md", ".env.example", ".envrc", ".environment"],
        ["vendor/github.com/x/y.go", "vendor/modules.txt"],
        ["coverage/rules.md", "package.json"],
        ["bin/run", "obj/model.txt", "docs/node_modules.md"],
        ["core.py", "core.1", "a.object", "classes/A.java"],
    ],
)
def test_sources_that_are_called_alike_are_kept(added: list[str]) -> None:
    assert litter.roots(added, lambda: []) == {}


@pytest.mark.parametrize(
    ("tracked", "added"),
    [
        ("lib/node_modules/a.js", "lib/node_modules/b.js"),
        ("fixtures/node_modules/a.js", "other/node_modules/b.js"),
        (".env", "api/.env"),
        ("a.o", "b.o"),
        ("out/x", "out/CACHEDIR.TAG"),
    ],
)
def test_what_the_base_keeps_of_a_kind_is_kept(tracked: str, added: str) -> None:
    assert litter.roots([added], lambda: [tracked]) == {}


@pytest.mark.parametrize(
    ("tracked", "added"),
    [
        ("test/fixtures/node_modules/a.js", "node_modules/b.js"),
        ("test/fixtures/.env", ".env"),
        ("docs/.idea/x", ".idea/workspace.xml"),
    ],
)
def test_a_fixture_of_a_kind_does_not_let_the_top_folders_own_go(tracked: str, added: str) -> None:
    root = added.partition("/")[0]
    assert litter.roots([added], lambda: [tracked]) == {root: [added]}


def test_what_is_only_called_like_a_compilers_output_is_published(
    bench: Bench, tmp_path: Path
) -> None:
    """A model's `.obj` is a text; a folder called `core` is a source's, and a dump is none."""
    done = bench.shell(
        "mkdir models core; echo 'v 0 0 0' > models/cube.obj; echo x > core/core; echo x > core.12;"
        "printf 'L\\001\\000' > a.obj; cp /bin/true core.7; cp /bin/true core/lib"
    )
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    assert _names(bench, head) == {"models/cube.obj", "core/core", "core.12", "core/lib"}
    assert done.report("collected")["left_out"] == {"a.obj": 1, "core.7": 1}


LEAVES = (
    "mkdir -p .venv/bin node_modules/left-pad; touch .venv/pyvenv.cfg .venv/bin/python .env"
    " node_modules/left-pad/index.js; echo work > work.txt;"
)


def _names(bench: Bench, head: str) -> set[str]:
    listing = git(bench.repository.source, "log", "-m", "--name-only", "--format=",
                  f"{bench.repository.base_sha}..{head}")  # fmt: skip
    return set(listing.split())


@pytest.mark.parametrize(
    ("then", "subject"),
    [
        ("", "Keep what the agent left uncommitted"),
        ("git add -A; git commit -qm mine", "mine"),
        ("git add -A; git commit -qm mine; git rm -rq .venv node_modules .env; git commit -qm less",
         "mine"),
    ],
)  # fmt: skip
def test_litter_stays_out_of_every_commit_and_is_told(
    bench: Bench, tmp_path: Path, then: str, subject: str
) -> None:
    done = bench.shell(f"{LEAVES} {then}")
    collected = done.report("collected")
    assert collected["left_out"] == {".env": 1, ".venv": 2, "node_modules": 1}
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    assert head == collected["head"]
    assert _names(bench, head) == {"work.txt"}
    assert git(bench.repository.source, "log", "-1", "--format=%s", head) == subject
    assert collected["files"] == 1


def test_litter_alone_is_no_change(bench: Bench) -> None:
    collected = bench.shell("mkdir node_modules; touch node_modules/x; git add -A;"
                            " git commit -qm x").report("collected")  # fmt: skip
    assert collected["head"] is None
    assert collected["left_out"] == {"node_modules": 1}


def test_a_later_turn_does_not_publish_it_either(bench: Bench, tmp_path: Path) -> None:
    bench.shell(LEAVES)
    done = bench.shell("echo more >> work.txt; git add -A; git commit -qm more", number=2)
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    assert _names(bench, head) == {"work.txt"}


@pytest.mark.parametrize("commits", ["git commit -q --allow-empty -m x", "true"])
@pytest.mark.parametrize("many", ["", "for n in $(seq 300); do echo $n > many-$n; done;"])
def test_a_repository_in_the_worktree_is_told_and_makes_no_broken_entry(
    bench: Bench, tmp_path: Path, commits: str, many: str
) -> None:
    done = bench.shell(
        f"{many} echo x > x; git init -q a/nested; cd a/nested; touch y; git add y; {commits}"
    )
    assert done.report("collected")["repositories"] == ["a/nested"]
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    assert "160000" not in git(bench.repository.source, "ls-tree", "-r", head)


@pytest.mark.parametrize("many", ["", "for n in $(seq 300); do echo $n > many-$n; done;"])
def test_a_file_that_no_forge_takes_is_named_and_not_read(
    bench: Bench, tmp_path: Path, many: str
) -> None:
    """git read 4 GB for longer than a minute, and larger ones for longer than it may."""
    done = bench.shell(
        f"{many} truncate -s 4000M 'big file.bin'; echo x > x; mkdir node_modules;"
        "truncate -s 101M node_modules/a.node; echo ignored > .gitignore; truncate -s 2G ignored"
    )
    assert done.report("collected")["large"] == ["big file.bin"]
    head = bench.head_of(bench.bundle(done.name, tmp_path / "run.bundle"))
    assert {"x", ".gitignore"} <= _names(bench, head)
    assert "big file.bin" not in git(bench.repository.source, "ls-tree", "-r", head)


@pytest.mark.parametrize("commit", ["", "git add -A; git commit -qm x"])
def test_a_large_file_alone_is_named(bench: Bench, commit: str) -> None:
    collected = bench.shell(f"truncate -s 101M big; {commit}").report("collected")
    assert collected["large"] == ["big"]


@pytest.mark.parametrize("many", ["", "for n in $(seq 300); do echo $n > many-$n; done;"])
def test_files_below_a_submodule_that_is_not_there_are_told(
    bench: Bench, tmp_path: Path, many: str
) -> None:
    repository = Repository.make(tmp_path / "with submodule")
    git(repository.source, "update-index", "--add", "--cacheinfo",
        f"160000,{repository.base_sha},libs/sub")  # fmt: skip
    git(repository.source, "commit", "-qm", "Add a submodule")
    git(repository.mirror, "fetch", "-q", str(repository.source), "+refs/heads/*:refs/heads/*")
    bench.repository = Repository(
        repository.source, repository.mirror, git(repository.source, "rev-parse", "HEAD")
    )
    bench.project_id = 2000 + len(many)
    done = bench.shell(f"{many} echo x > x; echo lost > libs/sub/lost.txt")
    assert done.report("collected")["submodules"] == ["libs/sub"]
