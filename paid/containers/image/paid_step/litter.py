"""Build products, installed packages and local settings: what people ignore and agents commit.

A path is litter by its name (`node_modules`, `.env`), a file of some names only if it is no text
(`cube.obj`) or a dump (`core`); or by what lies in and beside its folder: a
`target` is Cargo's only beside a Cargo.toml, and a virtual environment is one whatever its name.
What the base tracks is never litter, nor is anything of a kind of which the base tracks one.
"""

from __future__ import annotations

import os

from .places import TREE
from .repository import git, head

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FOLDERS = _words("""
    node_modules bower_components jspm_packages __pycache__ __pypackages__ .venv .tox .nox .eggs
    .pytest_cache .mypy_cache .ruff_cache .hypothesis .ipynb_checkpoints .pytype .pyre htmlcov
    .nyc_output .parcel-cache .turbo .next .nuxt .svelte-kit .angular .gradle .terraform
    .dart_tool .stack-work .zig-cache zig-cache elm-stuff .scannerwork .serverless .aws-sam
    .sass-cache .pnpm-store .idea .vs .direnv CMakeFiles __MACOSX .bloop .metals dist-newstyle
""")
FILES = _words("""
    *.pyc *.pyo *.class *.o *.obj *.lo *.gcda *.gcno .DS_Store Thumbs.db desktop.ini .coverage
    .coverage.* .env .env.local .env.*.local *.swp *.swo *~ .eslintcache .stylelintcache
    *.tsbuildinfo npm-debug.log* yarn-debug.log* yarn-error.log* pnpm-debug.log* nohup.out
    CMakeCache.txt vgcore.* .Rhistory *.stackdump *.tfstate *.tfstate.backup
""")
COMPILED = _words("*.o *.obj *.lo *.class")
"""Of these a text is something else: `.obj` is a model's geometry, too."""
LOOK_BYTES = 8 * 1024
EXECUTABLE = b"\x7fELF"
FOLDER_ENDS = (".egg-info", ".dist-info", ".dSYM")
MARKS = ("pyvenv.cfg", "CACHEDIR.TAG", "CMakeCache.txt", "meson-private", "conda-meta")
"""A folder with one of these in it was made by a tool that can make it again."""
BUILDS: dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    "target": (
        (("Cargo.toml",), ("debug", "release", ".rustc_info.json", "CACHEDIR.TAG")),
        (("pom.xml",), ("classes", "test-classes", "maven-status", "surefire-reports")),
        (("build.sbt", "project.clj"), ("streams", "classes", "global-logging", "stale")),
    ),
    "build": (
        (
            ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"),
            ("classes", "libs", "tmp", "reports", "kotlin", "intermediates", "test-results"),
        ),
        (("setup.py", "pyproject.toml", "setup.cfg"), ("lib", "bdist.*", "temp.*", "lib.*")),
    ),
    "dist": ((("setup.py", "pyproject.toml", "setup.cfg"), ("*.whl", "*.tar.gz", "*.egg")),),
    "vendor": ((("composer.json",), ("autoload.php",)), (("Gemfile",), ("bundle",))),
    "coverage": (
        (
            ("package.json", "Gemfile", "composer.json", "go.mod", "pubspec.yaml"),
            ("lcov.info", "lcov-report", "coverage-final.json", "clover.xml", ".last_run.json"),
        ),
    ),
    "obj": ((("*.csproj", "*.fsproj", "*.vbproj"), ("project.assets.json", "Debug", "Release")),),
    "bin": ((("*.csproj", "*.fsproj", "*.vbproj"), ("Debug", "Release")),),
    "_build": ((("mix.exs",), ("dev", "test", "prod")), (("rebar.config",), ("default",))),
    "deps": ((("mix.exs",), ("*",)),),
    "Pods": ((("Podfile",), ("Manifest.lock",)),),
    ".build": ((("Package.swift",), ("debug", "release", "*.yaml")),),
}
"""Folders that only some projects build: what lies beside such a folder, and in it."""
_Found = dict[str, int]
"""Each litter's root, and how many files lie there."""


def roots(added: Iterable[str], tracked: Callable[[], Iterable[str]]) -> dict[str, list[str]]:
    """The litter among the added paths: each root, a folder or a file, with the paths it has.

    `tracked` gives the base's paths; it is asked only when there is something to leave out.
    """
    tree = _Tree(added)
    found: dict[str, list[str]] = {}
    for path in tree.paths:
        root = tree.root_of(path)
        if root is not None:
            found.setdefault(root, []).append(path)
    if not found:
        return {}
    kept = _kept(set(found), tracked())
    return {root: paths for root, paths in found.items() if root not in kept}


class _Tree:
    """The added paths, and what lies in their folders."""

    def __init__(self, added: Iterable[str]) -> None:
        self.paths = sorted(set(added))
        self._inside: dict[str, set[str]] = {}
        self._known: dict[str, bool] = {}
        for path in self.paths:
            folder, _, name = path.rpartition("/")
            while name:
                self._inside.setdefault(folder, set()).add(name)
                folder, _, name = folder.rpartition("/")

    def root_of(self, path: str) -> str | None:
        """The outermost folder of the path that is litter, else the file if it is, else None."""
        *folders, name = path.split("/")
        for depth in range(len(folders)):
            folder = "/".join(folders[: depth + 1])
            if folder not in self._known:
                self._known[folder] = self._is_litter(folder)
            if self._known[folder]:
                return folder
        return path if _is_litter_file(path, name) else None

    def _is_litter(self, folder: str) -> bool:
        parent, _, name = folder.rpartition("/")
        if name in FOLDERS or name.endswith(FOLDER_ENDS):
            return True
        inside = self._inside.get(folder, set())
        if any(mark in inside for mark in MARKS):
            return True
        return any(
            self._lies_beside(parent, beside) and _any_matches(inside, within)
            for beside, within in BUILDS.get(name, ())
        )

    def _lies_beside(self, parent: str, names: tuple[str, ...]) -> bool:
        place = os.path.join(TREE, parent)
        there = os.listdir(place) if os.path.isdir(place) else []
        return _any_matches([*there, *self._inside.get(parent, ())], names)


def _is_litter_file(path: str, name: str) -> bool:
    if _is_dump(name):
        return _beginning(path).startswith(EXECUTABLE)
    if not _any_matches((name,), FILES):
        return False
    begins = _beginning(path) if _any_matches((name,), COMPILED) else b""
    return not begins or b"\0" in begins


def _is_dump(name: str) -> bool:
    """Whether Linux may call a dump of a crashed program so: `core`, or with its process id."""
    first, _, number = name.partition(".")
    return first == "core" and (name == first or number.isdigit())


def _beginning(path: str) -> bytes:
    """What the worktree's file begins with; empty for what is no file, or not there any more."""
    place = os.path.join(TREE, path)
    if os.path.islink(place) or not os.path.isfile(place):
        return b""
    try:
        with open(place, "rb") as file:
            return file.read(LOOK_BYTES)
    except OSError:
        return b""


def _any_matches(names: Iterable[str], patterns: tuple[str, ...]) -> bool:
    return any(_matches(name, pattern) for name in names for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    """A pattern has one `*` at most; `fnmatch` would cost the time that loading `re` takes."""
    before, star, behind = pattern.partition("*")
    if not star:
        return name == pattern
    long = len(name) >= len(before) + len(behind)
    return long and name.startswith(before) and name.endswith(behind)


def _kept(found: set[str], tracked: Iterable[str]) -> set[str]:
    """The roots of whose kind the base tracks something, or that lie in a folder that it has.

    What lies at the top is another thing than its like in the fixtures of a test: packages that
    were installed there, or settings, are kept only where the base has the folder itself.
    """
    kinds = {_kind(root) for root in found}
    kept_kinds: set[str] = set()
    folders: set[str] = set()
    for path in tracked:
        *parents, name = path.split("/")
        kept_kinds |= kinds.intersection(parents)
        kept_kinds |= {kind for kind in kinds if _matches(name, kind)}
        for depth in range(len(parents)):
            folders.add("/".join(parents[: depth + 1]))
    alike = {root for root in found if _kind(root) in kept_kinds and not _is_at_the_top(root)}
    return alike | (found & folders)


def _is_at_the_top(root: str) -> bool:
    return "/" not in root and "*" not in _kind(root)


def _kind(root: str) -> str:
    """The pattern by which a file is litter; a folder's name."""
    name = root.rpartition("/")[2]
    return next((pattern for pattern in FILES if _matches(name, pattern)), name)


def leave_out(base_sha: str, commit: str, parent: str | None) -> tuple[str, str | None, _Found]:
    """The commit without litter, its parent if it was made here, and what was left out.

    A litter that an earlier commit holds would be published all the same, so the commits become
    one then, with their messages.
    """
    span = f"{base_sha}..{commit}"
    listing = git(
        "log", "-m", "-z", "--no-renames", "--diff-filter=A", "--name-only", "--format=", span,
        tree=True,
    )  # fmt: skip
    added = [path.strip("\n") for path in listing.split("\0") if path.strip("\n")]
    found = roots(added, lambda: _tracked(base_sha))
    if not found:
        return commit, parent, {}
    gone = "\0".join(path for paths in found.values() for path in paths)
    data = gone.encode(errors="surrogateescape")
    git("update-index", "--force-remove", "-z", "--stdin", stdin=data, tree=True)
    tree = git("write-tree", tree=True).strip()
    words = git("log", "--reverse", "--format=%B", span, tree=True)
    made = _commit(base_sha, tree, words)
    git("update-ref", "HEAD", made, tree=True)
    return head(), base_sha, {root: len(paths) for root, paths in found.items()}


def without(paths: Iterable[str], left_out: _Found, base_sha: str) -> list[str]:
    """The paths of files that were not staged, but for those that would be left out as well."""
    outside = [
        path
        for path in paths
        if not any(path == root or path.startswith(f"{root}/") for root in left_out)
    ]
    alone = roots(outside, lambda: _tracked(base_sha)).values()
    gone = {path for litter in alone for path in litter}
    return [path for path in outside if path not in gone]


def _commit(base_sha: str, tree: str, message: str) -> str:
    """The commit on the base; the base itself where nothing else is left."""
    if tree == git("rev-parse", f"{base_sha}^{{tree}}", tree=True).strip():
        return base_sha
    data = message.encode(errors="surrogateescape")
    return git("commit-tree", "-p", base_sha, "-F", "-", tree, stdin=data, tree=True).strip()


def _tracked(base_sha: str) -> list[str]:
    listing = git("ls-tree", "-r", "-z", "--name-only", base_sha, tree=True)
    return [path for path in listing.split("\0") if path]
