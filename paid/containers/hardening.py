"""The locks of every container, as the engine's own JSON. Pure: a spec in, a configuration out.

What a repository says has no way in here: images, limits and mounts come from the installation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paid.containers import seccomp
from paid.containers.contract import StepSpec
from paid.containers.task import HOST_NAME, SYSTEM_FILES

USER = "1000:1000"
REPORT_KEY = "PAID_REPORT_KEY"
RUN_TOKEN = "PAID_RUN_TOKEN"  # noqa: S105 - the variable's name
TASK_MOUNT = "/run/paid/task"
CHANGES_MOUNT = "/run/paid/changes"
GATEWAY_MOUNT = "/run/paid/gateway"
COMMAND = ["/opt/paid/paid-step"]


def container_config(spec: StepSpec, instance: str, report_key: str) -> dict[str, Any]:
    """The body of the engine's create call.

    No `init`: paid-step is process 1 itself. So the agent can neither kill it nor read the key
    that signs its reports (docs/decisions/containers.md).
    """
    environment = [f"{REPORT_KEY}={report_key}"]
    if spec.run_token is not None:
        environment.append(f"{RUN_TOKEN}={spec.run_token}")
    return {
        "Image": spec.image,
        "Entrypoint": COMMAND,
        "Cmd": [],
        "User": USER,
        "WorkingDir": "/workspace",
        "Hostname": HOST_NAME,
        "Env": environment,
        "Labels": labels(spec, instance),
        "NetworkDisabled": True,
        "AttachStdin": False,
        "OpenStdin": False,
        "Tty": False,
        "StopSignal": "SIGTERM",
        "HostConfig": _host_config(spec),
    }


def labels(spec: StepSpec, instance: str) -> dict[str, str]:
    """The labels by which the reaper knows whose a container is."""
    return {
        "paid": "1",
        "paid.run": str(spec.run_id),
        "paid.step": spec.kind,
        "paid.instance": instance,
    }


def _host_config(spec: StepSpec) -> dict[str, Any]:
    limits = spec.limits
    return {
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true", f"seccomp={seccomp.profile_text()}"],
        "Privileged": False,
        "ReadonlyRootfs": True,
        "NetworkMode": "none",
        "IpcMode": "private",
        "ShmSize": 64 * 1024 * 1024,
        "PidsLimit": limits.pids,
        "Memory": limits.memory_bytes,
        "MemorySwap": limits.memory_bytes,
        "NanoCpus": int(limits.cpus * 1_000_000_000),
        "OomScoreAdj": 500,
        "Init": False,
        "RestartPolicy": {"Name": "no"},
        "AutoRemove": False,
        "Tmpfs": {
            "/tmp": _tmpfs("exec", limits.tmp_bytes, limits.tmp_inodes),  # noqa: S108 - its own
            "/var/tmp": _tmpfs("exec", limits.tmp_bytes, limits.tmp_inodes),  # noqa: S108
            "/dev/shm": _tmpfs("noexec", limits.tmp_bytes // 4, limits.tmp_inodes),  # noqa: S108
        },
        "Ulimits": [
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "nofile", "Soft": limits.open_files, "Hard": limits.open_files},
            {"Name": "fsize", "Soft": limits.file_bytes, "Hard": limits.file_bytes},
        ],
        "LogConfig": {
            "Type": "json-file",
            "Config": {"max-size": str(limits.log_bytes // 2), "max-file": "2"},
        },
        "Mounts": _mounts(spec),
    }


def _tmpfs(exec: str, size_bytes: int, inodes: int) -> str:
    """A folder in memory, which the limit of the container's memory bounds besides."""
    return f"rw,{exec},nosuid,nodev,mode=1777,size={size_bytes},nr_inodes={inodes}"


def _mounts(spec: StepSpec) -> list[dict[str, Any]]:
    mounts = [_bind(spec.task_folder, TASK_MOUNT)]
    mounts += [_bind(spec.task_folder / name, f"/etc/{name}") for name in SYSTEM_FILES]
    if spec.mirror is not None:
        mounts.append(_bind(spec.mirror, "/mirror"))
    if spec.gateway is not None:
        mounts.append(_bind(spec.gateway, GATEWAY_MOUNT))
    if spec.changes is not None:
        mounts.append(_bind(spec.changes, CHANGES_MOUNT))
    if spec.volume is not None:
        mounts.append({"Type": "volume", "Source": spec.volume, "Target": "/workspace"})
    elif spec.base_folder is not None:
        mounts.append(_bind(spec.base_folder, "/workspace", read_only=False))
    return mounts


def _bind(source: Path, target: str, read_only: bool = True) -> dict[str, Any]:
    return {
        "Type": "bind",
        "Source": str(source.resolve()),
        "Target": target,
        "ReadOnly": read_only,
        "BindOptions": {"Propagation": "rprivate"},
    }
