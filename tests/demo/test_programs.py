"""The stand-ins as programs of their own: one line that says where they are, and a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.plain_http import NO_TLS


def start(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    program = subprocess.Popen(
        [sys.executable, "-m", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    return program, json.loads(program.stdout.readline())


def stop(program: subprocess.Popen[str], number: signal.Signals) -> int:
    program.send_signal(number)
    program.communicate(timeout=60)
    return program.returncode


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_forge_serves_the_sample_until_it_is_told_to_stop(
    tmp_path: Path, number: signal.Signals
) -> None:
    program, said = start("paid.demo.forge", "--root", str(tmp_path / "forge"), "--sample")

    headers = {"authorization": f"Bearer {said['token']}"}
    found = httpx.get(
        f"{said['api_url']}/repos/{said['repository']}", headers=headers, timeout=60, verify=NO_TLS
    ).json()

    assert found["permissions"]["push"] is True
    assert stop(program, number) == 0


def test_the_model_takes_its_key_from_a_file_and_does_not_tell_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a-key\n")
    program, said = start("paid.demo.scripted_model", "--key-file", str(tmp_path / "key"))

    headers = {"authorization": "Bearer a-key"}
    answer = httpx.get(f"{said['url']}/v1/models", headers=headers, timeout=60, verify=NO_TLS)

    assert "key" not in said
    assert answer.status_code == 200
    assert stop(program, signal.SIGTERM) == 0


def test_an_unknown_agent_is_refused_with_a_hint(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paid.demo", "--once", "--agent", "nonsense"],
        env={"PAID_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert "nonsense" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
