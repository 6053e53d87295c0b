"""What servers say to a push they do not take, and what follows for people and for the agent."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.containers.mirror import Mirrors
from paid.containers.push_refusals import PASSING, read_refusal
from paid.errors import GitUnavailableError, PushRejectedError
from tests.mirror.conftest import BRANCH, PROJECT, RUN, Upstream, Workspace
from tests.mirror.githost import GitHost, git

REF = f"refs/heads/{BRANCH}"
RULES = "[remote rejected] (push declined due to repository rule violations)"
HOOK = "[remote rejected] (pre-receive hook declined)"


def remote(*lines: str) -> str:
    """As git prints what a server says: padded, and behind its own word."""
    return "\n".join([*(f"remote: {line}        " for line in lines), "error: failed to push"])


PUSH_PROTECTION = remote(
    f"error: GH013: Repository rule violations found for {REF}.",
    "",
    "- GITHUB PUSH PROTECTION",
    "  —————————————————————————————————————————",
    "    Resolve the following violations before pushing again",
    "",
    "    - Push cannot contain secrets",
    "",
    "     (?) Learn how to resolve a blocked push",
    "     https://docs.github.com/code-security/secret-scanning/blocked-push",
    "",
    "      —— GitHub Personal Access Token ——————————————————————",
    "       locations:",
    "         - commit: 8a1b6c1d8a1b6c1d8a1b6c1d8a1b6c1d8a1b6c1d",
    "           path: config/settings.py:12",
    "         - commit: 8a1b6c1d8a1b6c1d8a1b6c1d8a1b6c1d8a1b6c1d",
    "           path: docs/a b.md:3",
    "",
    "      —— Amazon AWS Access Key ID ——————————————————————————",
    "       locations:",
    "         - commit: 8a1b6c1d8a1b6c1d8a1b6c1d8a1b6c1d8a1b6c1d",
    "           path: deploy.sh:1",
    "",
    "       (?) To push, remove secret from commit(s) or follow this URL to allow the secret.",
    "       https://github.com/o/r/security/secret-scanning/unblock-secret/2abc",
)
LARGE = remote(
    "error: Trace: 5d2a",
    "error: See https://gh.io/lfs for more information.",
    "error: File assets/big file.bin is 143.05 MB; this exceeds GitHub's file size limit of 100 MB",
    "error: GH001: Large files detected. You may want to try Git Large File Storage.",
)

CASES = {
    "push protection": (
        RULES, PUSH_PROTECTION, "secret",
        ["config/settings.py:12", "docs/a b.md:3", "Amazon AWS Access Key ID", "unblock-secret"],
        ["config/settings.py:12", "docs/a b.md:3", "deploy.sh:1"],
    ),
    "GH009": (
        HOOK,
        remote("error: GH009: Secrets detected! This push failed.", "—— Stripe Key ——",
               "  locations:", "    - commit: 8a1b", "      path: pay.rb:4"),
        "secret", ["Stripe Key"], ["pay.rb:4"],
    ),
    "GH001": (HOOK, LARGE, "large_file", ["143.05 MB"], ["assets/big file.bin"]),
    "GitLab's size limit": (
        HOOK,
        remote('GitLab: File "a.bin" is larger than the allowed size of 5 MiB.'),
        "large_file", ["5 MiB"], ["a.bin"],
    ),
    "GitLab's blobs": (
        HOOK,
        remote("GitLab: You are attempting to check in one or more blobs which exceed the 100MiB"
               " limit:", "- 1234 (200 MiB)"),
        "large_file", ["200 MiB"], ["every commit"],
    ),
    "GH006": (
        "[remote rejected] (protected branch hook declined)",
        remote(f"error: GH006: Protected branch update failed for {REF}.",
               "error: Required status check \"ci\" is expected."),
        "branch_rule", ["status check"], None,
    ),
    "GH007": (
        "[remote rejected] (push declined due to email privacy restrictions)",
        remote("error: GH007: Your push would publish a private email address.",
               "You can make your email public or disable this protection by visiting:",
               "http://github.com/settings/emails"),
        "email_privacy", ["GH007"], None,
    ),
    "GH008": (
        HOOK,
        remote("error: GH008: Your push referenced at least 1 unknown Git LFS object:", "4d7a"),
        "lfs", ["GH008"], ["LFS"],
    ),
    "signatures": (
        RULES,
        remote(f"error: GH013: Repository rule violations found for {REF}.",
               "Review all repository rules at https://github.com/o/r/rules?ref=x",
               "", "- Commits must have verified signatures.", "  Found 1 violation:", "",
               "  027faa7121ee9df79db623e1a2848d2cc88a8dba"),
        "signatures", ["027faa71"], None,
    ),
    "creations": (
        RULES,
        remote(f"error: GH013: Repository rule violations found for {REF}.",
               "- Cannot create ref due to creations being restricted."),
        "branch_rule", ["creations being restricted"], None,
    ),
    "commit messages": (
        RULES,
        remote(f"error: GH013: Repository rule violations found for {REF}.",
               "- Commit message must match a given regex pattern: ^(feat|fix)(\\(\\w+\\))?: .+",
               "  Found 1 violation:", "  027faa71"),
        "commit_message", ["^(feat|fix)(\\(\\w+\\))?: .+"], ["^(feat|fix)(\\(\\w+\\))?: .+"],
    ),
    "messages and authors": (
        RULES,
        remote(f"error: GH013: Repository rule violations found for {REF}.",
               "- Commit message must contain a matching pattern: JIRA-",
               "- Commit author email must end with a matching pattern: @acme.example"),
        "commit_people", ["JIRA-", "@acme.example"], None,
    ),
    "GitLab's message rule": (
        HOOK,
        remote("GitLab: Commit message does not follow the pattern 'JIRA-\\d+'"),
        "commit_message", ["JIRA-"], ["JIRA-\\d+"],
    ),
    "GitLab's branch rule": (
        HOOK,
        remote("GitLab: Branch name 'paid/x' does not follow the pattern '^feature/'"),
        "branch_rule", ["^feature/"], None,
    ),
    "paths": (
        RULES,
        remote(f"error: GH013: Repository rule violations found for {REF}.",
               "- File path is restricted", "  - infra/main.tf"),
        "file_rule", ["infra/main.tf"], ["infra/main.tf"],
    ),
    "a secret and a large file": (
        RULES, f"{PUSH_PROTECTION}\n{LARGE}", "secret", ["GH001"],
        ["config/settings.py:12", "assets/big file.bin"],
    ),
    "a branch in the way": (
        f"[remote rejected] (cannot lock ref '{REF}': 'refs/heads/paid' exists; cannot create"
        f" '{REF}')", "", "name_taken", ["'refs/heads/paid' exists"], None,
    ),
    "workflows": (
        "[remote rejected] (refusing to allow a Personal Access Token to create or update workflow"
        " `.github/workflows/x.yml` without `workflow` scope)", "", "workflow_right", [], None,
    ),
    "extensions": (
        RULES,
        remote(f"error: GH013: Repository rule violations found for {REF}.",
               "- Prohibited file extension found: exe", "  - tools/setup.exe"),
        "file_rule", ["tools/setup.exe"], ["tools/setup.exe"],
    ),
    "fsck": (
        "[remote rejected] (unpacker error)",
        remote("error: object 8a1b6c1d: hasDotgit: contains '.git'",
               "fatal: fsck error in packed object"),
        "odd_object", ["hasDotgit"], ["hasDotgit"],
    ),
    "an unknown code": (
        HOOK, remote("error: GH042: The moon is full.", "Come back tomorrow."),
        "refused", ["GH042", "Come back tomorrow"], None,
    ),
    "a hook of one's own": (HOOK, remote("no pushes on Mondays"), "refused", ["Mondays"], None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_told_whole_and_sent_to_whom_can_mend_it(name: str) -> None:
    summary, errors, kind, said, for_agent = CASES[name]
    refusal = read_refusal([summary], errors)
    assert refusal.kind == kind
    assert all(words in refusal.said for words in said), refusal.said
    if for_agent is None:
        assert refusal.for_agent is None
    else:
        told = f"{refusal.for_agent}\n{refusal.said}"
        assert refusal.for_agent is not None
        assert all(words in told for words in for_agent)
    assert "——" not in refusal.said


@pytest.mark.parametrize(
    ("summary", "errors"),
    [
        ("[remote rejected] (Internal Server Error)", remote("Internal Server Error")),
        ("[remote rejected] (failure)", remote("fatal error in commit_refs")),
        (f"[remote rejected] (cannot lock ref '{REF}': reference already exists)", ""),
        (f"[remote rejected] (cannot lock ref '{REF}': is at 12ab but expected 34cd)", ""),
        ("[remote rejected] (failed to update ref)", ""),
        ("[remote failure] (remote failed to report status)", ""),
        ("[remote rejected] (unpacker error)",
         "error: remote unpack failed: unable to create temporary object directory"),
        (HOOK, remote("GitHub is in read-only mode for maintenance.")),
        (HOOK, remote("pre-receive hook timed out")),
        (HOOK, remote("Gitaly is unavailable. Please try again.")),
    ],
)  # fmt: skip
def test_a_servers_own_trouble_is_told_apart_from_what_it_refuses(
    summary: str, errors: str
) -> None:
    assert read_refusal([summary], errors).kind == PASSING


@pytest.mark.parametrize(
    "words", ["Run the linter and try again.", "Branches for maintenance releases are frozen."]
)
def test_a_hooks_own_rule_is_no_trouble_that_passes(words: str) -> None:
    assert read_refusal([HOOK], remote(words)).kind == "refused"


def test_a_rule_beside_a_servers_trouble_is_still_a_rule() -> None:
    assert read_refusal([HOOK], f"{LARGE}\n{remote('try again later')}").kind == "large_file"


def test_each_kind_has_a_hint_of_its_own() -> None:
    hints = {kind: read_refusal([summary], errors).hint
             for summary, errors, kind, *_ in CASES.values()}  # fmt: skip
    assert len(set(hints.values())) == len(hints)
    assert "--commit-email" in hints["email_privacy"]
    assert "'paid'" in hints["name_taken"]


def test_a_server_that_says_a_megabyte_is_cut_in_the_middle() -> None:
    refusal = read_refusal([HOOK], remote("first words", *("x" * 100 + str(n) for n in range(9999)),
                                          "last words"))  # fmt: skip
    assert len(refusal.said) < 5000
    assert "first words" in refusal.said
    assert "last words" in refusal.said


@pytest.fixture
def head(mirrors: Mirrors, workspace: Workspace) -> str:
    workspace.commit({"a.txt": "1\n"})
    return mirrors.import_bundle(PROJECT, RUN, workspace.bundle(), BRANCH, workspace.base_sha)


def _hook(host: GitHost, words: str) -> Path:
    hook = host.root / "greeter.git" / "hooks" / "pre-receive"
    count = hook.with_name("count")
    hook.write_text(f"#!/bin/sh\necho x >> {count}\ncat >&2 <<'END'\n{words}\nEND\nexit 1\n")
    hook.chmod(0o755)
    return count


def test_a_refused_push_tells_path_and_kind_and_is_not_sent_twice(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, head: str
) -> None:
    words = PUSH_PROTECTION.replace("remote: ", "").replace("error: failed to push", "")
    count = _hook(host, words)
    with pytest.raises(PushRejectedError) as refused:
        mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert "GitHub Personal Access Token" in refused.value.message
    assert "deploy.sh:1" in refused.value.message
    assert "config/settings.py:12" in str(refused.value.for_agent)
    assert count.read_text() == "x\n"


def test_a_push_that_a_server_could_not_take_may_be_tried_again(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, head: str
) -> None:
    _hook(host, "Internal Server Error")
    with pytest.raises(GitUnavailableError, match="Internal Server Error") as failed:
        mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert failed.value.retryable
    (host.root / "greeter.git" / "hooks" / "pre-receive").unlink()
    assert not mirrors.push(upstream.remote, RUN, head, BRANCH).adopted


def test_a_branch_that_is_in_the_way_is_named(
    mirrors: Mirrors, upstream: Upstream, head: str
) -> None:
    git(upstream.bare, "update-ref", "refs/heads/paid", "refs/heads/main")
    with pytest.raises(PushRejectedError) as refused:
        mirrors.push(upstream.remote, RUN, head, BRANCH)
    assert refused.value.kind == "name_taken"
    assert "branch named 'paid'" in str(refused.value.hint)
