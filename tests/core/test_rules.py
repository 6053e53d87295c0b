"""Rules of the house that a reader relies on."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import dramatiq
import pytest

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / "paid" / "workflows").glob("[!_]*.py"))
MODULES = sorted([*ROOT.glob("paid/**/*.py"), *ROOT.glob("web/**/*.py")])
ALLOWED_IN_WORKFLOWS = (
    "temporalio",
    "paid.contracts",
    "paid.queues",
    "paid",
    "paid.workflows.announcements",
    "paid.workflows.patience",
    "paid.workflows.publishing",
    "paid.workflows.run_end",
    "paid.workflows.steps",
)
_TOOLS = ("paid/containers/image/", "paid/setup/", "paid/bench/", "paid/chaos/",
          "paid/attack/")  # fmt: skip
"""Programs of their own: in the container, before there are settings, and around a whole run."""
_BY_POSTGRES_CLOCK = ("paid/models/", "paid/store/", "paid/activities/", "paid/jobs/")
_TELLS_OTHERS_THE_TIME = {"paid/jobs/post.py"}
_OWN_CLOCKS = {"datetime.now", "datetime.utcnow", "date.today", "time.time", "time.time_ns"}
_NOT_MODULES = ("/image/", "/migrations/", "/demo/sample/")
ONE_IMPORTER = {
    "docker": "paid/containers/",
    "github": "paid/github/",
    "alembic": ("paid/store/schema.py", "paid/models/migrations/"),
    "dramatiq": "paid/jobs/",
    "genai_prices": ("paid/gateway/", "paid/demo/"),
}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_module_imports_nothing_that_is_not_deterministic(path: Path) -> None:
    for name in _imports(path):
        ours = name in ALLOWED_IN_WORKFLOWS or name.startswith("temporalio.")
        assert ours or name.partition(".")[0] in sys.stdlib_module_names, name


@pytest.mark.parametrize("sdk", ONE_IMPORTER)
def test_an_sdk_is_imported_in_one_room_alone(sdk: str) -> None:
    rooms = ONE_IMPORTER[sdk]
    for path in MODULES:
        place = str(path.relative_to(ROOT))
        if not place.startswith(rooms):
            assert sdk not in {name.partition(".")[0] for name in _imports(path)}, place


def test_only_the_settings_read_the_environment() -> None:
    allowed = {"paid/settings.py", "paid/demo/forge/git_store.py"}  # git needs its PATH
    for path in MODULES:
        place = str(path.relative_to(ROOT))
        if place.startswith(_TOOLS) or place in allowed:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
            assert not reads, f"{place}:{getattr(node, 'lineno', 0)}"


def test_what_reads_and_writes_rows_never_looks_at_its_own_hosts_clock() -> None:
    """Hosts' clocks may be off: moments are PostgreSQL's (paid.store.clock), spans monotonic."""
    for path in MODULES:
        place = str(path.relative_to(ROOT))
        if not place.startswith(_BY_POSTGRES_CLOCK) or place in _TELLS_OTHERS_THE_TIME:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            assert called not in _OWN_CLOCKS, f"{place}:{getattr(node, 'lineno', 0)}"


def test_nothing_is_read_that_could_run_what_it_says() -> None:
    """Jobs, histories and files are JSON: whoever writes to them must not get to run code."""
    for path in MODULES:
        place = str(path.relative_to(ROOT))
        named = {name.partition(".")[0] for name in _imports(path)}
        assert not named & {"pickle", "marshal", "shelve", "dill", "jsonpickle"}, place
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            assert not (is_call and node.func.id in ("eval", "exec")), place  # type: ignore[attr-defined]
            shell = isinstance(node, ast.keyword) and node.arg == "shell"
            assert not (shell and getattr(node.value, "value", True)), place  # type: ignore[attr-defined]
    assert type(dramatiq.get_encoder()) is dramatiq.JSONEncoder


def test_importing_everything_prints_nothing_and_opens_nothing() -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in MODULES
        if path.stem not in ("__main__", "__init__")
        and not any(part in str(path) for part in _NOT_MODULES)
    ]
    program = (
        "import socket, subprocess, importlib\n"
        "def no(*a, **k): raise AssertionError('an import opened something')\n"
        "socket.socket.connect = subprocess.Popen.__init__ = no\n"
        f"[importlib.import_module(name) for name in {names!r}]\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Each rule asks all modules, and reading them takes a second."""
    return tuple(_read_imports(path))


def _read_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = node.module or ""
            if module == "paid":
                yield from (f"paid.{alias.name}" for alias in node.names)
            else:
                yield module


def test_no_activity_is_broken_off_in_the_middle_of_what_it_does() -> None:
    """The SDK raises a cancel inside a thread, between any two instructions, unless told not to."""
    found = 0
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            for mark in node.decorator_list:
                if ast.unparse(mark).startswith("activity.defn"):
                    found += 1
                    assert "no_thread_cancel_exception=True" in ast.unparse(mark), node.name
    assert found > 10
