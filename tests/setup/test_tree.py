"""What must never be in the repository: registry hosts, this machine's paths, secrets, typos in
shell scripts. Part of `bin/check`."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = re.compile(rb"(?<![\w@./-])(?:[a-z0-9-]+\.)+(?:org|com|io|net|dev)\b")
REGISTRIES = {
    # SHA-256 of the hosts' names: this list must pass its own test.
    "00a7dc5a0cc388586b8665846e7d8ae94a6dd096f2aa1aa3b4aab4ac484f998a",
    "1ba4e37997a2e986efa6cd844e43fd25b9e816359d31612baa9c18b71e3b5294",
    "2e97613f5a81eaa4f8a58f552a005713c0c8f333e026efb7771ad28429532374",
    "3ca29e55be4befa48f875d24c27f9bed32fe06588819ed6264084b6670a1ebb0",
    "41b464c047c28da294409530fd0a8d08e110b5c9de14e49a71315ab3d6d5d090",
    "71741fe2460a615058687c4585f665af5e825968e51a512ffb14c6f2684a397d",
    "789e46d79514e28093cabe2bb4a0798266f584b0e508ef269ebabb6e57859290",
    "8743857e3ea00fd1c64bbc68b8af241954ad2c285e7a60340eec7ea5dcb200db",
    "87d14f070cb9686970d008f9f94e668075fd37620381409858bf040ae1271d51",
    "8b5bb5eb9d758455b8635855cf8aaf05b68775e3f83f0291e800ef338fb9783c",
    "9da5f32d964125123cc368f231b473bea59307f811c7b9b2e731601e586b82b5",
    "a0f007d863a0ed19c5bd996ef6eaab194af2f1ac685c0f71a75270a0366f8983",
    "a4aa2ac280bb8d1a0ce7a1be5a7bfb10292b49fe9435ad5cff19f421f3c70e41",
    "c2b35955576ffa710bfb7c4e5de8141335829cb1333377cbaf7daaeff9647b35",
    "c3db8466ffcd858989be3a43536c07568731e95124fb23850abac30074fac4f3",
    "e680c440a2e92079ab1bf7a927e8d3920f1bcd173c0487e28e020110b2e59efc",
}
MACHINE_PATH = re.compile(rb"(?<![\w.])/(?:root|work|home/[a-z]+)/[\w.]")
SECRETS = re.compile(
    rb"gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|sk-ant-[A-Za-z0-9_-]{24}"
    rb"|\bsk-(?:proj-)?[A-Za-z0-9]{32}|AIza[A-Za-z0-9_-]{35}|AKIA[A-Z0-9]{16}"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=]{40}"
)


def tracked() -> list[Path]:
    """Every file that is, or would be, in the repository; small enough to be text."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in names.split("\0") if name]
    return [file for file in files if file.is_file() and not file.is_symlink()]


def offences(pattern: re.Pattern[bytes], *, hosts: bool = False) -> list[str]:
    """Where a pattern occurs, as "file: what"; for hosts, only those on the list."""
    found = []
    for file in tracked():
        for match in pattern.finditer(file.read_bytes()):
            if not hosts or is_registry(match[0].decode()):
                found.append(f"{file.relative_to(ROOT)}: {match[0].decode(errors='replace')}")
    return found


def is_registry(host: str) -> bool:
    """True for a host on the list or below one."""
    labels = host.lower().split(".")
    names = (".".join(labels[start:]) for start in range(len(labels) - 1))
    return any(hashlib.sha256(name.encode()).hexdigest() in REGISTRIES for name in names)


def test_no_registry_is_named() -> None:
    assert offences(HOST, hosts=True) == []


def test_no_path_of_somebodys_machine_is_named() -> None:
    assert offences(MACHINE_PATH) == []


def test_no_secret_lies_around() -> None:
    assert [it for it in offences(SECRETS) if "canary" not in it.lower()] == []


def test_the_list_of_registries_works() -> None:
    assert is_registry("files." + "python" + "hosted.org")
    assert not is_registry("github.com")


def scripts() -> list[Path]:
    return [
        file
        for file in tracked()
        if file.parent.name in ("bin", ".ci")
        and file.read_bytes().startswith(b"#!/usr/bin/env bash")
    ]


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.name)
def test_scripts_parse_and_can_be_run(script: Path) -> None:
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & 0o111
    assert b"\nset -" in script.read_bytes()
