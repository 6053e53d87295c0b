"""Canaries: the keys and tokens of an installation, looked for wherever an agent or a reader gets.

Each is looked for raw, reversed, in base64 at every offset, in hex and url-encoded (threat 1).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

from paid.containers.engine import DockerEngine
from paid.embedded import postgres_binaries
from paid.temporal import connect
from tests.acceptance.stage import OWNER, Stage

SPY = """
import glob, os, pathlib, sys, time
def show(path):
    try:
        sys.stdout.write(repr(open(path, 'rb').read(200_000)) + chr(10))
    except OSError as error:
        print(path, error)
print(dict(os.environ))
for pattern in ('/proc/*/environ', '/proc/*/cmdline', '/proc/self/mountinfo', '/run/paid/**/*',
                '/workspace/home/**/*', '/workspace/repo.git/config', '/mirror/config', '/etc/*',
                '/mirror/*', '/tmp/**/*', '/root/*'):
    for path in glob.glob(pattern, recursive=True, include_hidden=True):
        show(path)
pathlib.Path('found.txt').write_text('nothing')
print('looked', flush=True)
while not os.path.exists('/run/paid/task/go-on'):
    time.sleep(0.1)
"""
"""An agent that shows all it can read, and stays until the host has looked at it too."""


def _forms(secret: str) -> Iterator[str]:
    raw = secret.encode()
    yield secret
    yield secret[::-1]
    yield raw.hex()
    yield quote(secret, safe="")
    for offset in range(3):
        coded = base64.b64encode(b"\0" * offset + raw).decode()
        yield coded[4 if offset else 0 : -4]


def _assert_absent(text: str, secrets: dict[str, str], where: str) -> None:
    assert len(text) > 50, f"{where} was not read"
    for name, secret in secrets.items():
        for form in _forms(secret):
            assert form not in text, f"the {name} is in {where}"


def test_no_key_and_no_token_is_where_an_agent_or_a_reader_gets(
    stage: Stage, tmp_path: Path
) -> None:
    url = stage.settings.database_url
    assert url is not None
    password = urlsplit(url.get_secret_value()).password
    assert password
    secrets = {
        "GitHub token": stage.token,
        "model key": stage.model.key,
        "database password": password,
        "encryption key": stage.settings.secret_key_path.read_text().split()[0],
    }
    watched = stage.watch(agent_command=["python3", "-c", SPY])
    stage.forge.add_label(watched.name, 1, "paid-build", actor=OWNER)
    run = stage.begun(watched)
    stage.until(lambda: "looked" in str([e.data for e in stage.events(run)]), "the spy's end")
    container = f"paid-run-{run.id}-agent-1"
    inspected = DockerEngine(stage.settings).inspect(container)
    assert inspected is not None
    _assert_absent(json.dumps(inspected), secrets, "docker inspect")
    environments = [_environment(pid) for pid in _pids_in(str(inspected["Id"]))]
    assert any("PAID_RUN_TOKEN=" in it for it in environments) or os.geteuid() != 0
    _assert_absent("\n".join(environments) + " " * 50, secrets, "the processes' environment")
    (task,) = (it["Source"] for it in inspected["Mounts"] if it["Destination"] == "/run/paid/task")
    (Path(task) / "go-on").touch()
    assert stage.ended(watched).status == "completed"
    _assert_absent(_dump(stage), secrets, "the database's dump")
    _assert_absent(asyncio.run(_history(stage, run.workflow_id)), secrets, "the history")
    logs = "".join(p.read_text() for p in (stage.settings.data_dir / "logs").glob("*.log"))
    _assert_absent(logs, secrets, "the logs")
    (pull,) = stage.forge.pulls(watched.name)
    _assert_absent(pull.title + pull.body, secrets, "the pull request")
    patch = subprocess.run(
        ["git", "-C", str(stage.forge.git_dir(watched.name)), "log", "--all", "-p"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    _assert_absent(patch, secrets, "what was pushed")


def test_the_scan_finds_what_it_looks_for() -> None:
    secrets = {"canary": "canary-0123456789abcdef"}
    for form in _forms(secrets["canary"]):
        try:
            _assert_absent(f"{'x' * 60}{form}", secrets, "here")
        except AssertionError:
            continue
        raise AssertionError(f"{form} was overlooked")


def test_the_scan_of_files_finds_what_it_looks_for(tmp_path: Path) -> None:
    patterns, files = tmp_path / "patterns", tmp_path / "files"
    files.mkdir()
    patterns.write_text("\n".join(_forms("canary-0123456789abcdef")))
    (files / "one").write_bytes(b"\0\1" + base64.b64encode(b"xcanary-0123456789abcdef!") + b"\0")
    assert str(files / "one") in _found_below(files, patterns)
    assert _found_in_output(["tar", "-cf", "-", "-C", str(files), "."], patterns) > 0


def _found_in_output(argv: list[str], patterns: Path) -> int:
    """How many lines of what a program prints hold one of the patterns."""
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as shown:
        grep = ["grep", "--text", "--count", "--fixed-strings", "--file", str(patterns)]
        counted = subprocess.run(grep, stdin=shown.stdout, capture_output=True, text=True)
    assert shown.returncode == 0, argv
    return int(counted.stdout)


def _found_below(folder: Path, patterns: Path) -> str:
    """The files of a folder that hold one of the patterns."""
    grep = ["grep", "--text", "--files-with-matches", "--fixed-strings", "--recursive"]
    grep.append("--devices=skip")
    return subprocess.run(
        [*grep, "--file", str(patterns), str(folder)], capture_output=True, text=True
    ).stdout


def _command_lines() -> str:
    """What every process of this machine was started with."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
    return "\n".join(found)


def _pids_in(container_id: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if container_id in (folder / "cgroup").read_text():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _environment(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _dump(stage: Stage) -> str:
    """Everything in the database as text."""
    url = stage.settings.database_url
    assert url is not None
    pg_dump = postgres_binaries.find().folder / "pg_dump"
    done = subprocess.run(
        [str(pg_dump), "--no-owner", url.get_secret_value()],
        capture_output=True, text=True, check=True, env={"PATH": os.defpath},
    )  # fmt: skip
    return done.stdout


async def _history(stage: Stage, workflow_id: str) -> str:
    client = await connect(stage.settings)
    history = await client.get_workflow_handle(workflow_id).fetch_history()
    return history.to_json()
