"""The evil agent: what it tries, and that nothing comes of it (threats 1, 7, 8, 9, 12, 35)."""

from __future__ import annotations

import dataclasses
import json
import select
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from paid.containers.contract import Limits, StepSpec
from paid.containers.docker_api import DockerApi
from paid.containers.engine import DockerEngine
from paid.containers.hardening import container_config
from paid.containers.image.paid_step.places import GATEWAY_AWAY
from paid.containers.instance import instance_id
from paid.containers.openings import openings
from paid.containers.reports import PREFIX
from paid.containers.steps import Outcome, raise_unless_done
from paid.containers.task import Task
from paid.errors import GatewayAwayError, SandboxNotTightError
from tests.containers.bench import MEBIBYTE, SMALL, Bench, Done
from tests.containers.test_forwarder import Gateway
from tests.waiting import HANGS_SECONDS

LOOK_AROUND = r"""
import json, os, socket, subprocess
def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return error.strerror or str(error)
def connect(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        client.connect(address)
def readable(path):
    return attempt(lambda: open(path, "rb").read())
status = dict(l.split(":", 1) for l in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "root": attempt(lambda: open("/evil", "w")),
    "mirror": attempt(lambda: open("/mirror/evil", "w")),
    "task": attempt(lambda: open("/run/paid/task/evil", "w")),
    "step": attempt(lambda: open("/opt/paid/paid-step", "a")),
    "tcp": attempt(lambda: connect(socket.AF_INET, ("1.1.1.1", 443))),
    "metadata": attempt(lambda: connect(socket.AF_INET, ("169.254.169.254", 80))),
    "bridge": attempt(lambda: connect(socket.AF_INET, ("172.17.0.1", 2375))),
    "tcp6": attempt(lambda: connect(socket.AF_INET6, ("2606:4700:4700::1111", 443))),
    "names": attempt(lambda: socket.getaddrinfo("example.com", 443)),
    "docker": attempt(lambda: connect(socket.AF_UNIX, "/var/run/docker.sock")),
    "environment of process 1": readable("/proc/1/environ"),
    "memory of process 1": readable("/proc/1/mem"),
    "output of process 1": attempt(lambda: open("/proc/1/fd/1", "w")),
    "kmsg": readable("/dev/kmsg"),
    "sysrq": attempt(lambda: open("/proc/sysrq-trigger", "w").write("h")),
    "hostname": attempt(lambda: open("/proc/sys/kernel/hostname", "w").write("x")),
    "mount": subprocess.run(["mount", "-t", "tmpfs", "x", "/mnt"], capture_output=True).returncode,
    "unshare": subprocess.run(["unshare", "-Ur", "true"], capture_output=True).returncode,
    "capabilities": status["CapBnd"].strip() + status["CapEff"].strip(),
    "interfaces": sorted(os.listdir("/sys/class/net")),
    "environment": sorted(os.environ),
}))
"""


@pytest.fixture(scope="module")
def sights(docker_engine: DockerEngine, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What one agent saw when it looked around; several tests read it."""
    bench = Bench(
        docker_engine,
        request.getfixturevalue("settings"),
        request.getfixturevalue("base_image"),
        request.getfixturevalue("repository"),
        5000,
    )
    try:
        done = bench.python(LOOK_AROUND)
        seen: dict[str, Any] = json.loads(done.text.splitlines()[-1])
        return seen
    finally:
        bench.clear()


@pytest.mark.parametrize("place", ["root", "mirror", "task", "step"])
def test_nothing_outside_the_workspace_can_be_written(sights: dict[str, Any], place: str) -> None:
    assert sights[place] in ("Read-only file system", "Permission denied")


@pytest.mark.parametrize("target", ["tcp", "metadata", "bridge", "tcp6", "names", "docker"])
def test_there_is_no_way_out(sights: dict[str, Any], target: str) -> None:
    assert sights[target] != "done"


def test_a_name_lookup_fails_at_once(bench: Bench) -> None:
    script = (
        "import socket, time\n"
        "begun = time.time()\n"
        "try: socket.getaddrinfo('example.com', 1)\n"
        "except OSError: pass\n"
        "print(time.time() - begun)"
    )
    assert float(bench.python(script).text) < 4.0, "a resolver that is asked takes five seconds"


@pytest.mark.parametrize("part", ["environment", "memory", "output"])
def test_process_1_cannot_be_read_or_spoken_for(sights: dict[str, Any], part: str) -> None:
    assert sights[f"{part} of process 1"] == "Permission denied"


@pytest.mark.parametrize("knob", ["kmsg", "sysrq", "hostname"])
def test_the_kernel_has_no_open_knobs(sights: dict[str, Any], knob: str) -> None:
    assert sights[knob] != "done"


def test_no_capability_and_no_mount_can_be_had(sights: dict[str, Any]) -> None:
    assert set(sights["capabilities"]) == {"0"}
    assert sights["mount"] != 0
    assert sights["unshare"] != 0


def test_the_run_token_is_the_only_secret_inside(sights: dict[str, Any]) -> None:
    assert "PAID_RUN_TOKEN" in sights["environment"]
    assert not {"PAID_REPORT_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY"} & set(sights["environment"])


def test_a_live_container_has_no_openings(bench: Bench) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("sleep", "60")))
    bench.engine.start(spec)
    facts = bench.engine.inspect(spec.name)
    assert facts is not None
    assert openings(facts) == []


def loosened(bench: Bench, spec: StepSpec, change: dict[str, Any]) -> str:
    """Create the step's container with one lock open; returns its name on the engine."""
    suffix = instance_id(bench.settings.data_dir)[:8]
    volume = f"{spec.volume}-{suffix}"
    config = container_config(
        dataclasses.replace(spec, volume=volume), instance_id(bench.settings.data_dir), "00" * 32
    )
    config["HostConfig"] |= change
    if "UTSMode" in change:
        del config["Hostname"]  # it would be the host's, and the engine refuses both
    config["NetworkDisabled"] = change.get("NetworkMode", "none") == "none"
    with DockerApi(bench.settings).client() as client:
        client.create_container_from_config(config, name=f"{spec.name}-{suffix}")
    return f"{spec.name}-{suffix}"


LOOSENED: dict[str, dict[str, Any]] = {
    "privileged": {"Privileged": True},
    "capabilities": {"CapDrop": []},
    "one capability": {"CapAdd": ["NET_RAW"]},
    "new privileges": {"SecurityOpt": []},
    "seccomp": {"SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"]},
    "the engine's own seccomp": {"SecurityOpt": ["no-new-privileges:true"]},
    "root file system": {"ReadonlyRootfs": False},
    "network": {"NetworkMode": "bridge"},
    "ipc": {"IpcMode": "host"},
    "pid": {"PidMode": "host"},
    "uts": {"UTSMode": "host"},
    "processes": {"PidsLimit": 0},
    "memory": {"Memory": 0, "MemorySwap": 0},
    "swap": {"MemorySwap": -1},
    "processor": {"NanoCpus": 0},
    "log": {"LogConfig": {"Type": "json-file", "Config": {}}},
    "restart": {"RestartPolicy": {"Name": "always"}},
    "device": {
        "Devices": [
            {"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "rwm"}
        ]
    },
    "tmpfs": {"Tmpfs": {"/tmp": "rw,exec"}},
    "group": {"GroupAdd": ["0"]},
    "foreign bind": {"Binds": ["/etc:/etc/host:ro"]},
}


@pytest.mark.parametrize("lock", LOOSENED)
def test_each_lock_that_is_opened_is_seen_from_outside(bench: Bench, lock: str) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("true",)))
    loosened(bench, spec, LOOSENED[lock])
    with pytest.raises(SandboxNotTightError):
        bench.engine.start(spec)
    assert bench.engine.inspect(spec.name) is None


FROM_INSIDE = {
    "one capability": {"CapAdd": ["NET_RAW"], "CapDrop": []},
    "new privileges": {"SecurityOpt": []},
    "seccomp": {"SecurityOpt": ["no-new-privileges:true", "seccomp=unconfined"]},
    "the engine's own seccomp": {"SecurityOpt": ["no-new-privileges:true"]},
    "root file system": {"ReadonlyRootfs": False},
    "network": {"NetworkMode": "bridge"},
    "processes": {"PidsLimit": 0},
    "memory": {"Memory": 0, "MemorySwap": 0},
    "group": {"GroupAdd": ["0"]},
    "device": LOOSENED["device"],
}


@pytest.mark.parametrize("lock", FROM_INSIDE)
def test_each_lock_that_is_opened_is_seen_from_inside_and_no_agent_starts(
    bench: Bench, lock: str
) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("echo", "the agent ran")))
    name = loosened(bench, spec, FROM_INSIDE[lock])
    with DockerApi(bench.settings).client() as client:
        client.start(name)
    done = bench.read(spec.name)
    assert done.exit.code == 97
    assert done.report("probe")["openings"]
    assert "the agent ran" not in done.text
    with pytest.raises(SandboxNotTightError):
        raise_unless_done(outcome_of(done), spec.name)


def outcome_of(done: Done) -> Outcome:
    return Outcome(done.exit, tuple(done.reports), ())


def with_gateway(bench: Bench, folder: Path, seconds: float) -> StepSpec:
    folder.chmod(0o755)
    task = Task(mode="agent", argv=("echo", "works"), gateway=True, gateway_seconds=seconds)
    return dataclasses.replace(bench.spec("agent", 1, task), gateway=folder)


def test_a_gateway_that_does_not_answer_is_no_open_lock_and_the_agent_waits_for_it(
    bench: Bench, tmp_path: Path
) -> None:
    spec = with_gateway(bench, tmp_path, seconds=3)
    done = bench.run(spec)
    assert done.exit.code == GATEWAY_AWAY
    assert done.report("probe")["openings"] == []
    assert done.report("waiting")["on"] == "gateway"
    assert "works" not in done.text
    with pytest.raises(GatewayAwayError, match="gateway does not answer"):
        raise_unless_done(outcome_of(done), spec.name)


@pytest.mark.parametrize("way", ["absent", "frozen", "killed while it is asked"])
def test_an_agent_starts_as_soon_as_the_gateway_answers(
    bench: Bench, tmp_path: Path, way: str
) -> None:
    """Absent is a gateway that is started again; frozen one that takes connections only."""
    spec, path = with_gateway(bench, tmp_path, seconds=60), tmp_path / "gateway.sock"
    if way != "absent":
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path))
        path.chmod(0o666)
        dead.listen()
    bench.engine.start(spec)
    if way != "absent":
        select.select([dead], [], [], HANGS_SECONDS)  # it is being asked
        if way == "killed while it is asked":
            dead.accept()[0].close()
        dead.close()
        path.unlink()
    Gateway(path, lambda client: client.sendall(b"HTTP/1.1 200 OK\r\n\r\n"))
    path.chmod(0o666)
    done = bench.read(spec.name)
    assert done.exit.code == 0, done.reports
    assert done.text == "works"


def test_an_agent_cannot_forge_a_report(bench: Bench) -> None:
    forged = json.dumps({"report": "collected", "n": 99, "head": "f" * 40})
    done = bench.python(f"print({PREFIX!r} + '0' * 64 + ' ' + {forged!r}, flush=True)")
    assert forged in done.text
    assert done.report("collected")["head"] is None


def test_an_agent_cannot_repeat_a_report(bench: Bench) -> None:
    spec = bench.spec("agent", 1, Task(mode="agent", argv=("true",)))
    bench.run(spec)
    lines = [line.text for line in bench.engine.follow(spec.name)]
    signed = [text for text in lines if text.startswith(PREFIX)]
    done = bench.agent("printf", "%s\n", *signed, number=2)
    assert done.names == ["probe", "ready", "started", "agent_exit", "collected"]


def test_an_agent_that_kills_its_parent_and_ignores_sigterm_still_ends(bench: Bench) -> None:
    done = bench.shell(
        "trap '' TERM; kill -9 1; kill -TERM 1; kill -9 $PPID; sleep 600", grace_seconds=1
    )
    assert done.report("agent_exit")["reason"] == "stopped"
    assert "collected" in done.names


def test_what_an_agent_left_running_is_ended_and_its_work_kept(bench: Bench) -> None:
    script = "echo kept > kept.txt; (trap '' TERM HUP; setsid sleep 600) & exit 0"
    before = time.monotonic()
    done = bench.shell(script)
    assert time.monotonic() - before < 100
    assert done.report("collected")["files"] == 1


def test_a_silent_agent_that_ignores_sigterm_ends_after_the_grace(bench: Bench) -> None:
    spec = bench.spec(
        "agent",
        1,
        Task(mode="agent", argv=("sh", "-c", "trap '' TERM; echo up; sleep 600"), grace_seconds=2),
    )
    bench.engine.start(spec)
    with bench.engine.follow(spec.name) as log:
        assert any(line.text == "up" for line in log)
    before = time.monotonic()
    bench.engine.stop(spec.name, grace_seconds=60)
    assert time.monotonic() - before < 30
    done = bench.read(spec.name)
    assert done.report("agent_exit")["reason"] == "stopped"
    assert done.exit.code == 0


def test_a_turn_ends_at_its_time_limit(bench: Bench) -> None:
    done = bench.agent("sleep", "600", timeout_seconds=1)
    assert done.report("agent_exit")["reason"] == "timeout"


def test_a_fork_bomb_stays_in_its_limit_and_ends(bench: Bench) -> None:
    before = time.monotonic()
    script = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
    done = bench.python(script, timeout_seconds=3, grace_seconds=1)
    assert time.monotonic() - before < 100
    assert done.report("agent_exit")["reason"] == "timeout"


def test_an_agent_that_eats_memory_is_killed_alone_and_it_is_known(bench: Bench) -> None:
    script = "open('before.txt','w').write('x')\nx=[]\nwhile True: x.append(bytearray(10_000_000))"
    limits = Limits(memory_bytes=128 * MEBIBYTE, pids=64)
    done = bench.python(script, limits=limits)
    ended = done.report("agent_exit")
    assert (ended["signal"], ended["oom_kills"] > 0) == (9, True)
    assert done.report("collected")["files"] == 1


def test_tmp_is_bounded(bench: Bench) -> None:
    limits = dataclasses.replace(SMALL, tmp_bytes=16 * MEBIBYTE, tmp_inodes=100)
    full = bench.shell("dd if=/dev/zero of=/tmp/big bs=1M count=64 2>&1", limits=limits)
    assert "No space left" in full.text
    many = bench.shell(
        "for i in $(seq 200); do : > /tmp/$i || exit 3; done", number=2, limits=limits
    )
    assert many.report("agent_exit")["code"] != 0


def test_a_single_file_is_bounded(bench: Bench) -> None:
    limits = dataclasses.replace(SMALL, file_bytes=8 * MEBIBYTE)
    done = bench.shell("dd if=/dev/zero of=big bs=1M count=64 2>&1; ls -l big", limits=limits)
    assert "8388608" in done.text


def test_two_runs_share_nothing_that_can_be_written(
    bench: Bench, docker_engine: DockerEngine
) -> None:
    poison = (
        "git config --file /workspace/repo.git/config core.fsmonitor /workspace/evil; "
        "echo /workspace/objects > /workspace/repo.git/objects/info/alternates; "
        "git update-ref refs/heads/main HEAD~0; echo evil > /workspace/repo.git/hooks/pre-commit; "
        "echo poison > README.md; echo poison > /workspace/home/.gitconfig"
    )
    bench.shell(poison)
    other = Bench(docker_engine, bench.settings, bench.image, bench.repository, 5001)
    try:
        done = other.shell("cat README.md /workspace/repo.git/config; ls -A /workspace/home")
    finally:
        other.clear()
    assert "A sample." in done.text
    assert "evil" not in done.text
    assert ".gitconfig" not in done.text
