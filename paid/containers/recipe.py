"""The agent images as text: what is built on what, and how each one is named.

Layers, from the one that changes least: a root file system with tools, Node on it, the agent's own
packages, and last paid-step. Everything that needs the network happens in builder stages, so that
package settings and proxies of the host leave no trace in an image.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from importlib import resources
from typing import Protocol

NODE_VERSION = "22"
NPM_VERSION = "10"
SUITE = "bookworm"
PACKAGES = (
    "ca-certificates",
    "curl",
    "diffutils",
    "git",
    "jq",
    "less",
    "make",
    "patch",
    "procps",
    "python3",
    "python3-pip",
    "python3-venv",
    "ripgrep",
    "unzip",
    "xz-utils",
)
CA_FILE = "/etc/ssl/certs/ca-certificates.crt"

GITCONFIG = """\
[safe]
\tdirectory = *
[user]
\tname = Paid
\temail = paid@localhost
[commit]
\tgpgSign = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[init]
\tdefaultBranch = main
[protocol]
\tallow = never
[protocol "file"]
\tallow = always
[protocol "https"]
\tallow = always
[advice]
\tdetachedHead = false
"""

TOOLS = f"""\
ARG ROOTFS
FROM $ROOTFS AS rootfs
COPY ca/ /etc/ssl/certs/
ENV LANG=C.UTF-8 TERM=dumb \\
    SSL_CERT_FILE={CA_FILE} NODE_EXTRA_CA_CERTS={CA_FILE} PIP_CERT={CA_FILE} \\
    REQUESTS_CA_BUNDLE={CA_FILE} CURL_CA_BUNDLE={CA_FILE} GIT_SSL_CAINFO={CA_FILE} \\
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_BREAK_SYSTEM_PACKAGES=1 \\
    NPM_CONFIG_UPDATE_NOTIFIER=false NPM_CONFIG_FUND=false NPM_CONFIG_AUDIT=false

FROM rootfs AS node
ARG NPM_CONFIG_REGISTRY
RUN apt-get update && apt-get install --yes --no-install-recommends npm
RUN npm install --global --prefix /opt/node node@{NODE_VERSION} npm@{NPM_VERSION} \\
    && cp --remove-destination --dereference \\
       /opt/node/lib/node_modules/node/bin/node /opt/node/bin/node \\
    && rm -rf /opt/node/lib/node_modules/node

FROM rootfs
COPY --from=node /opt/node /usr/local
COPY gitconfig /etc/gitconfig
RUN ln -s /usr/bin/python3 /usr/local/bin/python
RUN echo "paid:x:1000:" >> /etc/group \\
    && echo "paid:x:1000:1000:Paid:/workspace/home:/bin/bash" >> /etc/passwd \\
    && mkdir -p /workspace /mirror /run/paid/task /run/paid/gateway \\
    && chown 1000:1000 /workspace
WORKDIR /workspace
"""

ROOTFS = f"""\
FROM debian:{SUITE}-slim
COPY ca/ /etc/ssl/certs/
RUN apt-get update && apt-get install --yes --no-install-recommends {" ".join(PACKAGES)} \\
    && rm -rf /var/lib/apt/lists/*
"""

STEP = """\
COPY opt-paid/ /opt/paid/
RUN chmod 755 /opt/paid/paid-step && python3 -m compileall -q /opt/paid/paid_step
RUN find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
RUN find / -xdev -type f -print0 | python3 -c "import os, sys; [\
    os.removexattr(name, 'security.capability') for name in sys.stdin.buffer.read().split(b'\\0')\
    if name and 'security.capability' in os.listxattr(name)]"
RUN cd /opt/paid && python3 -c 'from paid_step import jvm; jvm.keep_store()'
USER 1000:1000
ENTRYPOINT ["/opt/paid/paid-step"]
"""


class Recipe(Protocol):
    """What an image needs to know of an agent: the parts of `AgentImage` that it reads."""

    @property
    def npm(self) -> Mapping[str, str]: ...
    @property
    def pip(self) -> Mapping[str, str]: ...
    @property
    def apt(self) -> tuple[str, ...]: ...
    @property
    def env(self) -> Mapping[str, str]: ...
    @property
    def files(self) -> Mapping[str, str]: ...
    @property
    def version(self) -> str: ...


def base_dockerfile(tools: str) -> str:
    """The image without an agent: the tools and paid-step."""
    return f"FROM {tools}\n{STEP}"


def agent_dockerfile(tools: str, recipe: Recipe) -> str:
    """The tools, one agent, and paid-step on top, so that its change rebuilds no agent."""
    lines = [f"FROM {tools} AS packages", "ARG NPM_CONFIG_REGISTRY", "ARG PIP_INDEX_URL"]
    lines.append("RUN mkdir -p /opt/agent/bin")
    if recipe.npm:
        packages = _pinned(recipe.npm, "@")
        lines.append(_run(["npm", "install", "--global", "--prefix", "/opt/agent", *packages]))
    if recipe.pip:
        packages = _pinned(recipe.pip, "==")
        lines.append(_run(["python3", "-m", "venv", "/opt/agent/venv"]))
        lines.append(
            _run(["/opt/agent/venv/bin/pip", "install", "--no-cache-dir", "--compile", *packages])
        )
    lines.append(f"FROM {tools}")
    if recipe.apt:
        lines.append("RUN apt-get update && apt-get install --yes " + " ".join(recipe.apt))
    lines.append("COPY --from=packages /opt/agent /opt/agent")
    lines.append("COPY files/ /")
    path = "/opt/agent/bin:/opt/agent/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
    for name, value in {**recipe.env, "PATH": f"{path}:/sbin:/bin"}.items():
        lines.append(f"ENV {name}={json.dumps(value)}")
    return "\n".join(lines) + "\n" + STEP


def _pinned(packages: Mapping[str, str], between: str) -> list[str]:
    return [f"{name}{between}{version}" for name, version in packages.items()]


def _run(argv: list[str]) -> str:
    return "RUN " + json.dumps(argv)


def rootfs_hash() -> str:
    """Names the root file system's content: another list of packages is another one."""
    return _digest(ROOTFS)


def tools_hash() -> str:
    """Names the tools' content, which stand on the root file system."""
    return _digest(TOOLS, ROOTFS, GITCONFIG)


def base_hash() -> str:
    """Names the base image's content."""
    return _digest(tools_hash(), STEP, *(text for _, text in sorted(step_files().items())))


def agent_hash(recipe: Recipe) -> str:
    """Names an agent image's content."""
    files = json.dumps(dict(recipe.files), sort_keys=True)
    return _digest(base_hash(), agent_dockerfile("tools", recipe), files)


def step_files() -> dict[str, str]:
    """The files of paid-step by their path in /opt/paid."""
    folder = resources.files("paid.containers.image")
    found = {"paid-step": folder.joinpath("paid-step").read_text(encoding="utf-8")}
    for entry in folder.joinpath("paid_step").iterdir():
        if entry.name.endswith(".py"):
            found[f"paid_step/{entry.name}"] = entry.read_text(encoding="utf-8")
    return found


def context(dockerfile: str, files: Mapping[str, bytes]) -> io.BytesIO:
    """A build context: the same bytes for the same content, so that the engine's cache holds."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("ca", "files", "opt-paid"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        for name, data in sorted({**files, "Dockerfile": dockerfile.encode()}.items()):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    buffer.seek(0)
    return buffer


def _digest(*texts: str) -> str:
    digest = hashlib.sha256()
    for text in texts:
        digest.update(len(text).to_bytes(8, "big") + text.encode())
    return digest.hexdigest()[:12]
