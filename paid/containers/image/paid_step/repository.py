"""git in the container: the run's clone, its branch, and the bundle that leaves.

Every call is made as if the repository were hostile, because the agent can write all of it: no
hooks, no filters of its configuration, no network protocols, explicit folders. What the agent
could still do harms its own run alone; the host checks the bundle.
"""

from __future__ import annotations

import os

from . import processes
from .places import BUNDLE, MIRROR, OUT, REMOTE, TREE, WORKSPACE, WORKTREE, RepositoryError
from .workspace import full_name, is_cloned, remove, write

TYPE_CHECKING = False  # as `typing` has it, which is not loaded
if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_BRANCHES = "+refs/heads/*:refs/heads/*"
AS_ORIGIN = "+refs/heads/*:refs/remotes/origin/*"
ALL_TAGS = "+refs/tags/*:refs/tags/*"
ORIGIN_HEAD = "refs/remotes/origin/HEAD"
GIT_SECONDS = 300.0
SETTINGS = {
    "safe.directory": "*",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.attributesFile": "/dev/null",
    "commit.gpgSign": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
    "protocol.allow": "never",
    "protocol.file.allow": "always",
    "advice.detachedHead": "false",
    "filter.lfs.process": "",
    "filter.lfs.smudge": "",
    "filter.lfs.clean": "",
    "filter.lfs.required": "false",
}
UNREADABLE = b"could not open directory"
COMMITTER = {"NAME": "Paid", "EMAIL": "noreply@paid.invalid"}
"""In the container alone: the host names the project's own identity in what leaves."""


def git_environment(identity: bool = True) -> dict[str, str]:
    """The environment of our own git calls: the image's configuration and ours, no user's."""
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_GRAFT_FILE": "/dev/null",
        "GIT_CONFIG_COUNT": str(len(SETTINGS)),
    }
    for index, (key, value) in enumerate(SETTINGS.items()):
        env[f"GIT_CONFIG_KEY_{index}"] = key
        env[f"GIT_CONFIG_VALUE_{index}"] = value
    if identity:
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_{name}": value for name, value in COMMITTER.items()}
    return env


def git(
    *argv: str,
    stdin: bytes = b"",
    ok: Sequence[int] = (0,),
    tree: bool = False,
    whole: bool = False,
) -> str:
    """Run git and return its output; `tree` means in the worktree, whatever its `.git` says.

    With `whole`, what git only warns of, a folder that it cannot read, is an error.
    """
    env = git_environment()
    if tree:
        env |= {"GIT_DIR": WORKTREE, "GIT_WORK_TREE": TREE}
    place = TREE if tree else WORKSPACE
    try:
        done = processes.run(["git", "-C", place, *argv], env, stdin, GIT_SECONDS)
    except OSError as error:
        raise RepositoryError(f"git {argv[0]}: {error}") from error
    if done.code not in ok or (whole and UNREADABLE in done.errors):
        said = done.errors.decode(errors="replace").strip()[-2000:]
        raise RepositoryError(f"git {argv[0]} ended with {done.code}: {said}")
    return done.output.decode(errors="surrogateescape")


def succeeds(*argv: str, tree: bool = False) -> bool:
    """Whether git ends with 0 rather than 1; other ends raise RepositoryError."""
    try:
        git(*argv, tree=tree)
    except RepositoryError as error:
        if "ended with 1:" in str(error):
            return False
        raise
    return True


def clone(base_sha: str) -> None:
    """Make the shared clone and its worktree from the mirror, unless both are there.

    A half-made clone (the container was killed) is made anew.
    """
    if is_cloned():
        return
    full_name(base_sha)
    for place in (REMOTE, TREE):
        remove(place)
    git("clone", "--bare", "--shared", "--quiet", "--", MIRROR, REMOTE)
    git("--git-dir", REMOTE, "fetch", "--quiet", "--no-tags", "--", MIRROR, AS_ORIGIN)
    git("--git-dir", REMOTE, "worktree", "add", "--quiet", "--detach", "--", TREE, base_sha)
    _name_default_branch()


def make_branch(branch: str, base_sha: str) -> bool:
    """Make the run's branch; False when it is there. git itself refuses a name that is none."""
    reference, nowhere = f"refs/heads/{branch}", "0" * len(base_sha)
    if succeeds("show-ref", "--verify", "--quiet", reference, tree=True):
        return False
    make_way(branch)
    git("update-ref", "--end-of-options", reference, base_sha, nowhere, tree=True)
    return True


def make_way(branch: str) -> None:
    """Remove the branches beside which git can have none of this name, such as `paid`.

    They are the remote's of the time when the base was prepared, in a clone that is the run's own.
    """
    parts = branch.split("/")
    above = ["/".join(parts[:end]) for end in range(1, len(parts))]
    wanted = [f"refs/heads/{name}" for name in [*above, f"{branch}/*"]]
    found = git("for-each-ref", "--format=%(refname)", *wanted, tree=True).split()
    first = f"refs/heads/{branch}/"
    for name in found:
        if name in wanted or name.startswith(first):
            git("update-ref", "-d", name, tree=True)


def refresh_branches() -> None:
    """Bring the clone's branches to where the mirror has them; their objects are borrowed."""
    wanted = (ALL_BRANCHES, AS_ORIGIN, ALL_TAGS)
    git("fetch", "--quiet", "--prune", "--no-tags", "--", MIRROR, *wanted, tree=True)
    _name_default_branch()


def _name_default_branch() -> None:
    """Let `origin` know its default branch, the mirror's HEAD, as a clone from GitHub would."""
    with open(f"{MIRROR}/HEAD", encoding="utf-8", errors="surrogateescape") as file:
        kind, _, branch = file.read().strip().partition(" refs/heads/")
    tracked = f"refs/remotes/origin/{branch}"
    if kind == "ref:" and succeeds("show-ref", "--verify", "--quiet", tracked, tree=True):
        git("symbolic-ref", ORIGIN_HEAD, tracked, tree=True)


def switch_to(sha: str) -> None:
    """Check out exactly this commit over the prepared base; cost follows the difference.

    No file was edited here, but git may take one for edited, for its line ends, and would refuse
    to go on (`read-tree -m`): so it overwrites what differs (`--reset`).
    """
    if head() == full_name(sha):
        return
    git("read-tree", "--reset", "-u", "HEAD", sha, tree=True)
    git("update-ref", "--no-deref", "HEAD", sha, tree=True)


def unlock() -> None:
    """Remove the locks that a killed git of the agent's left: of the index, HEAD, branches, refs.

    No branch may be called so: git itself refuses names that end in `.lock`.
    """
    places = [WORKTREE, REMOTE, f"{REMOTE}/objects/info"]
    places += [folder for folder, _, _ in os.walk(f"{REMOTE}/refs")]
    for place in places:
        for name in os.listdir(place) if os.path.isdir(place) else ():
            if name.endswith(".lock"):
                remove(f"{place}/{name}")


def mend(base_sha: str) -> None:
    """Make the index anew, and put the worktree on its base where HEAD leads to no commit.

    An agent may have left HEAD on a branch without commits, deleted what HEAD names, or damaged the
    index; git does not always say of one that it is.
    """
    try:
        head()
    except RepositoryError:
        write(f"{WORKTREE}/HEAD", f"{base_sha}\n")
    remove(f"{WORKTREE}/index")
    git("read-tree", "HEAD", tree=True)


def let_read() -> None:
    """Let the owner read all files of the worktree: git passes over what it may not read."""
    folders = ["-type", "d", "!", "-perm", "-700", "-exec", "chmod", "u+rwx", "{}", ";"]
    files = ["-type", "f", "!", "-perm", "-400", "-exec", "chmod", "u+r", "{}", "+"]
    argv = ["find", TREE, "(", *folders, ",", *files, ")"]
    processes.run(argv, os.environ, b"", GIT_SECONDS)


def but_for(litter: Sequence[str]) -> list[str]:
    """Pathspecs that leave out what an agent's own program drops in the worktree."""
    return [f":(exclude,top,glob)**/{name}" for name in litter]


def stage_everything(
    litter: Sequence[str], folders: Sequence[str] = (), ok: Sequence[int] = (0, 1)
) -> None:
    """Look at every file but those in the folders; what cannot be read is left as it was.

    git ends with 1 when it left something.
    """
    outside = [f":(exclude,top,literal){folder}" for folder in folders]
    places = (".", *but_for(litter), *outside)
    git("add", "--all", "--ignore-errors", "--", *places, ok=ok, tree=True)


def commit_staged(message: str) -> tuple[str, str | None]:
    """Commit the index if it differs from the worktree's commit.

    Returns the commit that the worktree is at then, and its parent if it was made here. Plumbing
    instead of `git commit`: no second look at every file, and no hooks.
    """
    parent, before = git("rev-parse", "HEAD^{commit}", "HEAD^{tree}", tree=True).split()
    tree = git("write-tree", tree=True).strip()
    if tree == before:
        return full_name(parent), None
    commit = git("commit-tree", "-p", parent, "-F", "-", tree, stdin=message.encode(), tree=True)
    git("update-ref", "HEAD", commit.strip(), tree=True)
    return full_name(commit.strip()), parent


def head() -> str:
    """The commit that the worktree is at."""
    return full_name(git("rev-parse", "--verify", "HEAD^{commit}", tree=True).strip())


def take_home(
    branch: str, base_sha: str, commit: str, parent: str | None, message: str
) -> str | None:
    """The head of the run's branch, made to descend from the base; None when nothing changed.

    An agent that made a branch of its own is taken at its HEAD. One that rewrote history ends as
    one commit with its tree and the message on the base.
    """
    if commit == base_sha:
        return None
    if parent != base_sha and not succeeds(
        "merge-base", "--is-ancestor", base_sha, commit, tree=True
    ):
        commit = git(
            "commit-tree", "-p", base_sha, "-F", "-", f"{commit}^{{tree}}",
            stdin=message.encode(), tree=True,
        ).strip()  # fmt: skip
    elif _is_on(branch):
        return commit
    git("update-ref", f"refs/heads/{branch}", commit, tree=True)
    return commit


def _is_on(branch: str) -> bool:
    """Whether the worktree's HEAD is the branch, so that both are at one commit."""
    with open(f"{WORKTREE}/HEAD", "rb") as file:
        return file.read(4096) == f"ref: refs/heads/{branch}\n".encode()


def changed_files(base_sha: str, commit: str) -> list[str]:
    """The files that differ between the two commits."""
    names = git("diff-tree", "-r", "-z", "--name-only", base_sha, commit, tree=True)
    return names.split("\0")[:-1]


def count_commits(base_sha: str, commit: str) -> int:
    """How many commits the branch has over its base."""
    return int(git("rev-list", "--count", f"{base_sha}..{commit}", tree=True))


def write_bundle(branch: str, base_sha: str) -> int:
    """Write the branch's commits since the base; returns the size in bytes."""
    if os.path.islink(OUT) or not os.path.isdir(OUT):
        remove(OUT)
        os.mkdir(OUT)
    remove(BUNDLE)
    git("bundle", "create", "--quiet", BUNDLE, f"refs/heads/{branch}", f"^{base_sha}", tree=True)
    return os.stat(BUNDLE).st_size


def remove_folder(place: str) -> None:
    """Remove a folder with all that is in it, also what its owner may not read."""
    for argv in (["chmod", "-R", "u+rwX", "--", place], ["rm", "-rf", "--", place]):
        processes.run(argv, os.environ, b"", GIT_SECONDS)
