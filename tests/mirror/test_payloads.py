"""Fifty ways to make git run something, none of which runs on the host (threats 11, 13, 15)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from paid.containers.changes import Policy
from paid.containers.git import Git
from paid.containers.mirror import Mirrors
from paid.errors import BundleRejectedError, GitError
from tests.mirror.conftest import BRANCH, PROJECT, RUN, Upstream, Workspace
from tests.mirror.githost import git

HOOKS = [
    "applypatch-msg", "commit-msg", "fsmonitor-watchman", "post-applypatch", "post-checkout",
    "post-commit", "post-index-change", "post-merge", "post-receive", "post-rewrite",
    "post-update", "pre-applypatch", "pre-auto-gc", "pre-commit", "pre-merge-commit", "pre-push",
    "pre-rebase", "pre-receive", "prepare-commit-msg", "proc-receive", "push-to-checkout",
    "reference-transaction", "sendemail-validate", "update",
]  # fmt: skip
KEYS = [
    "core.fsmonitor", "core.sshCommand", "core.askPass", "core.editor", "core.pager",
    "core.gitProxy", "core.alternateRefsCommand", "credential.helper", "diff.external",
    "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "filter.evil.smudge",
    "filter.evil.process", "merge.evil.driver", "gpg.program", "uploadpack.packObjectsHook",
    "remote.origin.uploadpack", "remote.origin.receivepack", "sequence.editor",
]  # fmt: skip
FILES = {
    ".gitattributes": "* filter=evil diff=evil merge=evil\n",
    "sub/.gitattributes": "* filter=evil ident export-subst\n",
    ".lfsconfig": "[lfs]\n\turl = ext::sh -c CANARY\n\tcustomtransfer.x.path = CANARY\n",
    ".gitconfig": "[core]\n\tfsmonitor = CANARY\n",
    "HEAD": "ref: refs/heads/main\n",
    "config": "[core]\n\tbare = true\n\tfsmonitor = CANARY\n",
    "objects/x": "",
    "refs/x": "",
    "hooks/pre-push": "#!/bin/sh\nCANARY\n",
    ".mailmap": "$(CANARY) <a@b> <maria@example.org>\n",
    ".githooks/pre-push": "#!/bin/sh\nCANARY\n",
    "$(CANARY)": "x",
    "`CANARY`": "x",
    "--output=CANARY": "x",
    "-O": "x",
    "a;CANARY": "x",
    "a|CANARY": "x",
    "a\nCANARY": "x",
    "\x1b]0;CANARY\x07": "x",
}
"""Files in the tree; CANARY stands for the command."""


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def everything(mirrors: Mirrors, workspace: Workspace, upstream: Upstream, bundle: Path) -> None:
    """All that the host's git does with a run's commits."""
    head = mirrors.import_bundle(PROJECT, RUN, bundle, BRANCH, workspace.base_sha)
    mirrors.changes(PROJECT, workspace.base_sha, head)
    mirrors.diff(PROJECT, workspace.base_sha, head)
    mirrors.check(PROJECT, workspace.base_sha, head, Policy(allow_workflow_changes=True))
    mirrors.base_state(upstream.remote, "main", workspace.base_sha)
    mirrors.push(upstream.remote, RUN, head, BRANCH)
    mirrors.fetch(upstream.remote)
    mirrors.forget_run(PROJECT, RUN)
    mirrors.collect_garbage(PROJECT)


def test_files_of_the_tree_run_nothing(
    mirrors: Mirrors, workspace: Workspace, upstream: Upstream, canary: Path
) -> None:
    command = f"touch {canary}"
    name = command.replace("/", "_")
    files: dict[str, str | bytes] = {
        path.replace("CANARY", name): text.replace("CANARY", command)
        for path, text in FILES.items()
    }
    workspace.commit(files, message=f"$({command}) `{command}` --exec={command}")
    everything(mirrors, workspace, upstream, workspace.bundle())
    assert not canary.exists()


def test_settings_and_hooks_of_the_workspace_run_nothing(
    mirrors: Mirrors, workspace: Workspace, upstream: Upstream, canary: Path
) -> None:
    command = f"touch {canary}"
    workspace.commit({".gitattributes": "* filter=evil diff=evil merge=evil\n", "a.txt": "1"})
    bundle = workspace.bundle()
    for key in KEYS:
        git(workspace.tree, "config", key, command)
    for name in HOOKS:
        hook = workspace.tree / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{command}\n")
        hook.chmod(0o755)
    canary.unlink(missing_ok=True)
    everything(mirrors, workspace, upstream, bundle)
    assert not canary.exists()


def test_settings_and_hooks_of_the_person_who_runs_paid_run_nothing(
    mirrors: Mirrors,
    workspace: Workspace,
    upstream: Upstream,
    canary: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    lines = [f"[include]\n\tpath = {home}/more\n", '[url "ext::sh -c "]\n\tinsteadOf = http://\n']
    (home / ".gitconfig").write_text("".join(lines))
    (home / "more").write_text(f"[core]\n\thooksPath = {home}\n\tfsmonitor = touch {canary}\n")
    (home / "pre-push").write_text(f"#!/bin/sh\ntouch {canary}\n")
    (home / "pre-push").chmod(0o755)
    for name, value in {
        "HOME": str(home),
        "GIT_SSH_COMMAND": f"touch {canary}",
        "GIT_EXTERNAL_DIFF": f"touch {canary}",
        "GIT_ASKPASS": f"touch {canary}",
        "GIT_CONFIG_PARAMETERS": f"'core.fsmonitor=touch {canary}'",
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_TRACE_CURL": str(tmp_path / "trace"),
    }.items():
        monkeypatch.setenv(name, value)
    workspace.commit({"a.txt": "1"})
    everything(mirrors, workspace, upstream, workspace.bundle())
    assert not canary.exists()
    assert not (tmp_path / "trace").exists(), "a trace would hold the token"


MODULES = [
    "-u./CANARY", "--upload-pack=CANARY", "ext::sh -c CANARY", "ssh://-oProxyCommand=CANARY/x",
    "file:///etc", "../../../etc", "git://127.0.0.1:PORT/x", "http://127.0.0.1:PORT/x",
]  # fmt: skip


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that submodules and large files name; nobody must ever call it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("url", MODULES)
def test_submodules_and_large_files_are_never_gone_into(
    url: str,
    mirrors: Mirrors,
    workspace: Workspace,
    upstream: Upstream,
    canary: Path,
    listener: socket.socket,
) -> None:
    port = str(listener.getsockname()[1])
    address = url.replace("CANARY", f"touch {canary}").replace("PORT", port)
    text = f'[submodule "x"]\n\tpath = x\n\turl = {address}\n\tupdate = !touch {canary}\n'
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 9\n"
    workspace.commit(
        {
            ".gitmodules": text,
            ".lfsconfig": f"[lfs]\n\turl = http://127.0.0.1:{port}/lfs\n",
            ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n",
            "large.bin": pointer,
        }
    )
    link = f"160000,{workspace.base_sha},x"
    git(workspace.tree, "update-index", "--add", "--cacheinfo", link)
    git(workspace.tree, "commit", "--quiet", "-m", "a submodule")
    with suppress(BundleRejectedError):  # git's own check of .gitmodules refuses some of them
        everything(mirrors, workspace, upstream, workspace.bundle())
    assert not canary.exists()
    with pytest.raises(BlockingIOError):
        listener.accept()


@pytest.mark.parametrize("url", [url for url in MODULES if "://" in url or "::" in url])
def test_the_hosts_git_speaks_no_protocol_but_that_of_the_remote(
    url: str, mirrors: Mirrors, upstream: Upstream, canary: Path, listener: socket.socket
) -> None:
    """Should an address of a stranger ever get as far as git."""
    mirrors.fetch(upstream.remote)
    address = url.replace("CANARY", f"touch {canary}").replace("/etc", str(upstream.bare))
    address = address.replace("PORT", str(listener.getsockname()[1]))
    git = Git(mirrors.path(PROJECT))
    with pytest.raises(GitError, match="not allowed"):
        git.run("ls-remote", "--end-of-options", address)
    assert not canary.exists()
    with pytest.raises(BlockingIOError):
        listener.accept()
