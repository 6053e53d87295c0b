"""Takes each payload as the host does, and tells what came of it, in a process of its own.

Prints a line of JSON for each: the refusal (None when it was taken), the seconds, and the most
memory of any child so far; then one for this process itself.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from paid.attack.packing import BRANCH, Base
from paid.attack.payloads import PAYLOADS
from paid.containers.bundles import take
from paid.containers.changes import Policy, check, read_changes, read_diff
from paid.containers.commits import Identity, Rules, rewrite
from paid.containers.git import Git
from paid.containers.publishable import NO_GAPS, require_publishable
from paid.errors import PaidError

RULES = Rules(Identity("Robot", "robot@example.org"), lambda text: text[:500])
SECRET = "sk-canary-" + "9f8e7d6c5b4a39281706"


IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in {"NAME": "Maria", "EMAIL": "maria@example.org"}.items()
}


def git(folder: Path, *arguments: str) -> str:
    """What git prints, as a person has it in a repository of one's own."""
    argv = ["git", *arguments]
    done = subprocess.run(
        argv, cwd=folder, env={"PATH": os.defpath, **IDENTITY}, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def make_base(repository: Path) -> Base:
    """A bare repository with one commit, as a mirror has it."""
    repository.mkdir()
    git(repository, "init", "--bare", "--quiet", "--initial-branch=main")
    (repository / "file").write_bytes(b"a" * 32)
    blob = git(repository, "hash-object", "-w", "file")
    git(repository, "update-index", "--add", "--cacheinfo", f"100644,{blob},README.md")
    tree = git(repository, "write-tree")
    commit = git(repository, "commit-tree", "-m", "base", tree)
    git(repository, "update-ref", "refs/heads/main", commit)
    return Base(commit, tree, blob)


def everything(host: Git, base: Base, bundle: Path) -> str | None:
    """What the host does with a run's commits before it pushes them; the refusal, if any."""
    try:
        head = take(host, 41, bundle, BRANCH, base.commit)
        head = rewrite(host, base.commit, head, RULES, time.time()).head
        require_publishable(host, base.commit, head, (), NO_GAPS)
        read_changes(host, base.commit, head)
        read_diff(host, base.commit, head, 400_000)
        check(host, base.commit, head, Policy(secrets=(SECRET,)))
    except PaidError as error:
        return f"{type(error).__name__}: {error.message} (again: {error.retryable})"
    return None


def main(folder: Path, names: list[str]) -> None:
    base = make_base(folder / "mirror.git")
    host = Git(folder / "mirror.git")
    bundle = folder / "bundle"
    for payload in PAYLOADS:
        if names and payload.name not in names:
            continue
        bundle.write_bytes(payload.bundle(base))
        began = time.monotonic()
        said = everything(host, base, bundle)
        took = time.monotonic() - began
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        told = {"name": payload.name, "refused": said, "seconds": took, "child_kib": peak}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
