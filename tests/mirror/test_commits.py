"""A run's commits leave with the project's identity, and with nothing of the agent's but words."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from paid.attack.packing import BRANCH as PACKED_BRANCH
from paid.attack.packing import Pack
from paid.attack.try_payloads import make_base
from paid.containers.bundles import Limits, take
from paid.containers.commits import Identity, Rules, rewrite
from paid.containers.git import Git
from paid.containers.mirror import Mirrors
from paid.errors import BundleRejectedError, ChangeTooLargeError
from paid.github.commit_messages import publishable
from tests.mirror.conftest import BRANCH, PROJECT, RUN, Upstream, Workspace
from tests.mirror.githost import git

ROBOT = Identity("Robot Müller", "robot@example.org")
RULES = Rules(ROBOT, lambda text: publishable(text, "Say hello").text)
EVIL = {
    "GIT_AUTHOR_NAME": "Evil",
    "GIT_AUTHOR_EMAIL": "ceo@example.org",
    "GIT_COMMITTER_NAME": "Evil",
    "GIT_COMMITTER_EMAIL": "ceo@example.org",
}


def raw(mirrors: Mirrors, sha: str) -> str:
    return git(mirrors.path(PROJECT), "cat-file", "commit", sha)


def log(mirrors: Mirrors, span: str, form: str) -> list[str]:
    return git(mirrors.path(PROJECT), "log", "--reverse", f"--format={form}", span).splitlines()


def test_authors_and_messages_are_the_projects(mirrors: Mirrors, workspace: Workspace) -> None:
    (workspace.tree / "a").write_text("1")
    git(workspace.tree, "add", "a")
    message = "fixes #1 @acme\n\nCloses #3\nCo-authored-by: Evil <ceo@example.org>"
    git(workspace.tree, "commit", "-qm", message, **EVIL)
    old = git(workspace.tree, "rev-parse", "HEAD")
    workspace.commit({"b": "2"}, "Second\n\nWhy.")
    work = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    assert (work.commits, work.changed, work.is_change) == (2, 2, True)
    span = f"{workspace.base_sha}..{work.head}"
    assert log(mirrors, span, "%an <%ae> %cn <%ce>") == [f"{ROBOT} {ROBOT}"] * 2
    assert log(mirrors, span, "%s") == ["fixes # 1 @ acme", "Second"]
    assert "ceo@" not in raw(mirrors, f"{work.head}^")
    assert mirrors.imported(PROJECT, RUN) == work.head
    assert git(mirrors.path(PROJECT), "rev-parse", f"{work.head}^^{{tree}}") == git(
        workspace.tree, "rev-parse", f"{old}^{{tree}}"
    )


def test_the_same_bundle_gives_the_same_commits_and_a_later_turn_goes_on_from_them(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    workspace.commit({"a": "1"}, "First")
    taken = [
        mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
        for _ in range(2)
    ]
    assert taken[0] == taken[1]
    workspace.commit({"b": "2"}, "Second")
    later = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    assert git(mirrors.path(PROJECT), "rev-parse", f"{later.head}^") == taken[0].head


def test_what_is_as_it_should_be_is_left_alone(mirrors: Mirrors, workspace: Workspace) -> None:
    (workspace.tree / "a").write_text("1")
    git(workspace.tree, "add", "a")
    own = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", ROBOT.name), ("EMAIL", ROBOT.email))}  # fmt: skip
    git(workspace.tree, "commit", "-qm", "First", **own, TZ="UTC")
    head = git(workspace.tree, "rev-parse", "HEAD")
    work = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    assert (work.head, work.changed) == (head, 0)


def test_merges_keep_their_parents_and_commits_of_the_remotes_branches_are_left_alone(
    mirrors: Mirrors, upstream: Upstream, workspace: Workspace
) -> None:
    theirs = upstream.commit({"theirs": "1"}, branch="feature")
    mirrors.fetch(upstream.remote)
    git(workspace.tree, "fetch", "-q", str(upstream.bare), "feature")
    workspace.commit({"a": "1"}, "Mine")
    git(workspace.tree, "merge", "-q", "--no-ff", "-m", "Merge, fixes #1", "FETCH_HEAD")
    work = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    parents = log(mirrors, f"{work.head}^!", "%P")[-1].split()
    assert parents[1] == theirs
    assert log(mirrors, f"{parents[0]}^!", "%an") == [ROBOT.name]
    assert log(mirrors, f"{theirs}^!", "%an") == ["Maria"]


@pytest.mark.parametrize("date", ["@1 +0000", "@4102444800 +1400", "@2147483648 -1200"])
def test_dates_are_between_the_base_and_now(
    mirrors: Mirrors, workspace: Workspace, date: str
) -> None:
    (workspace.tree / "a").write_text("1")
    git(workspace.tree, "add", "a")
    git(workspace.tree, "commit", "-qm", "x", GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
    work = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    (made,) = log(mirrors, f"{work.head}^!", "%at %ct")
    base = git(mirrors.path(PROJECT), "log", "-1", "--format=%ct", workspace.base_sha)
    assert all(int(base) <= int(moment) <= time.time() for moment in made.split())


def _by_hand(workspace: Workspace, headers: bytes, message: bytes) -> str:
    """A commit with odd headers over a changed tree."""
    (workspace.tree / "odd").write_text("1")
    git(workspace.tree, "add", "odd")
    tree, now = git(workspace.tree, "write-tree"), int(time.time())
    who = f"Evil <ceo@example.org> {now} +0000"
    head = f"tree {tree}\nparent {workspace.base_sha}\nauthor {who}\ncommitter {who}\n".encode()
    file = workspace.tree.parent / "commit"
    file.write_bytes(head + headers + b"\n" + message)
    sha = git(workspace.tree, "hash-object", "-t", "commit", "-w", str(file))
    git(workspace.tree, "update-ref", f"refs/heads/{BRANCH}", sha)
    return sha


@pytest.mark.parametrize(
    ("headers", "message", "subject"),
    [
        (b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n",
         b"signed\n", "signed"),
        (b"encoding ISO-8859-1\n", b"Gr\xfc\xdfe\n", "Grüße"),
        (b"encoding UTF-7\n", b"fixes +ACM-1\n", "fixes # 1"),
        (b"encoding no-such-thing\n", b"words\n", "words"),
        (b"x-note fixes #1\n", b"words\n", "words"),
        (b"mergetag object x\n type commit\n", b"\xff\xfewords\n", "\ufffd\ufffdwords"),
        (b"", b"no line at the end", "no line at the end"),
        (b"", b"", "Say hello"),
    ],
)  # fmt: skip
def test_signatures_headers_and_encodings_do_not_come_along(
    mirrors: Mirrors, workspace: Workspace, headers: bytes, message: bytes, subject: str
) -> None:
    _by_hand(workspace, headers, message)
    work = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    made = raw(mirrors, work.head)
    assert [line.split(" ")[0] for line in made.partition("\n\n")[0].splitlines()] == [
        "tree", "parent", "author", "committer",
    ]  # fmt: skip
    assert made.partition("\n\n")[2].strip() == subject


def test_empty_commits_and_an_edit_that_is_undone_are_no_change(
    mirrors: Mirrors, workspace: Workspace
) -> None:
    def taken() -> bool:
        bundle = workspace.bundle()
        return mirrors.take_work(PROJECT, RUN, bundle, BRANCH, workspace.base_sha, RULES).is_change

    workspace.commit({}, "nothing")
    assert taken() is False
    workspace.commit({"a": "1"})
    assert taken() is True
    (workspace.tree / "a").unlink()
    workspace.commit({})
    assert taken() is False
    (workspace.tree / "README.md").chmod(0o755)
    workspace.commit({}, "a mode is a change")
    assert taken() is True


def test_hundreds_of_commits_are_made_anew_at_once(mirrors: Mirrors, workspace: Workspace) -> None:
    stream = "".join(
        f"commit refs/heads/{BRANCH}\ncommitter E <e@example.org> {int(time.time())} +0000\n"
        f"data 9\nfixes #1\n{f'from {workspace.base_sha}' if not n else ''}\n"
        f"M 644 inline f\ndata {len(str(n))}\n{n}\n"
        for n in range(300)
    )
    file = workspace.tree.parent / "stream"
    file.write_text(stream)
    git(workspace.tree, "checkout", "-q", "--detach")
    with file.open() as given:
        subprocess.run(
            ["git", "fast-import", "--quiet", "--force"],
            cwd=workspace.tree,
            stdin=given,
            check=True,
        )
    work = mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)
    assert (work.commits, work.changed) == (300, 300)


def test_messages_that_are_too_large_in_all_are_refused(
    mirrors: Mirrors, workspace: Workspace, tmp_path: Path
) -> None:
    message = tmp_path / "message"
    message.write_text("x" * 40_000_000)
    (workspace.tree / "a").write_text("1")
    git(workspace.tree, "add", "a")
    git(workspace.tree, "commit", "-q", "-F", str(message))
    with pytest.raises(BundleRejectedError):
        mirrors.take_work(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha, RULES)


def test_messages_that_are_too_long_together_are_a_change_that_is_too_large(
    tmp_path: Path,
) -> None:
    pack = Pack(make_base(tmp_path / "mirror.git"))
    head = pack.base.commit
    for number in range(40):
        head = pack.commit(pack.base.tree, head, message=b"%d" % number + b"x" * 1_000_000)
    (tmp_path / "bundle").write_bytes(pack.bundle(head))
    host = Git(tmp_path / "mirror.git")
    limits = Limits(history_bytes=100_000_000)
    head = take(host, RUN, tmp_path / "bundle", PACKED_BRANCH, pack.base.commit, limits)
    with pytest.raises(ChangeTooLargeError):
        rewrite(host, pack.base.commit, head, RULES, time.time())
