"""Remotes that GitHub and GitHub Enterprise really are: moved, guarded, old, odd, or not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from paid.containers.git_errors import Output, error_of
from paid.containers.mirror import Mirrors
from paid.errors import (
    GitError,
    GitHubUnauthorizedError,
    GitUnavailableError,
    PaidError,
    PushRejectedError,
)
from tests.mirror.conftest import BRANCH, RUN, Upstream, Workspace
from tests.mirror.githost import GitHost, git

TEXT = {"Content-Type": "text/plain"}
SAML = b"The `acme' organization has enabled or enforced SAML SSO. To access\nthis repository, "
SAML += b"visit https://github.com/orgs/acme/sso and try your request again.\n"
ADVERTISEMENT = {"Content-Type": "application/x-git-upload-pack-advertisement"}


def refused(mirrors: Mirrors, upstream: Upstream) -> PaidError:
    with pytest.raises(PaidError) as raised:
        mirrors.fetch(upstream.remote)
    return raised.value


def test_a_server_without_protocol_2_is_fetched_from(
    mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    host.speaks_v2 = False
    assert mirrors.prepare(upstream.remote, RUN, "main").base_sha == git(
        upstream.bare, "rev-parse", "main"
    )


def test_a_repository_that_was_renamed_is_tried_again(
    mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    """The poll follows the new name; git itself follows nothing, since it carries the token."""
    host.page = (301, {"Location": "https://elsewhere.example.org/x.git/info/refs"}, b"")
    error = refused(mirrors, upstream)
    assert isinstance(error, GitUnavailableError)
    assert "another address" in error.message


def test_an_advertisement_that_breaks_off_is_tried_again(
    mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    host.page = (200, ADVERTISEMENT, b"001e# service=git-upload-pack\n0000015")
    assert refused(mirrors, upstream).retryable


def test_an_empty_page_does_not_empty_the_mirror_for_good(
    mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    """Git takes it for a repository without branches; a finished run must not end by that."""
    base = mirrors.prepare(upstream.remote, RUN, "main").base_sha
    host.page = (200, {"Content-Type": "text/html"}, b"")
    with pytest.raises(GitUnavailableError, match="none of the branches"):
        mirrors.base_state(upstream.remote, "main", base)
    host.page = None
    assert mirrors.base_state(upstream.remote, "main", base) == "current"


def test_a_repository_of_sha_256_is_refused_in_words(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, tmp_path: Path
) -> None:
    host.create("modern", object_format="sha256")
    work = tmp_path / "modern"
    work.mkdir()
    git(work, "init", "--quiet", "--object-format=sha256", "--initial-branch=main")
    git(work, "commit", "--quiet", "--allow-empty", "-m", "first")
    git(work, "push", "--quiet", str(host.root / "modern.git"), "main")
    with pytest.raises(GitError, match="SHA-256") as raised:
        mirrors.prepare(replace(upstream.remote, clone_url=host.url("modern")), RUN, "main")
    assert not raised.value.retryable


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (SAML, "single sign-on"),
        (b"This repository was archived so it is read-only.\n", "Unarchive"),
        (b"Write access to repository not granted.\n", "give a new one"),
    ],
)
def test_a_refusal_says_what_to_do(
    words: bytes, hint: str, mirrors: Mirrors, upstream: Upstream, host: GitHost
) -> None:
    host.page = (403, TEXT, words)
    error = refused(mirrors, upstream)
    assert isinstance(error, GitHubUnauthorizedError)
    assert hint in str(error.hint)


def test_a_token_that_is_not_accepted_is_said_without_gits_riddles(
    mirrors: Mirrors, upstream: Upstream
) -> None:
    error = refused(mirrors, replace(upstream, remote=replace(upstream.remote, token="ghp_x")))
    assert "does not accept the token" in error.message
    assert "terminal prompts" not in error.message


def test_a_push_of_workflows_without_the_right_names_it(
    mirrors: Mirrors, upstream: Upstream, host: GitHost, workspace: Workspace
) -> None:
    base = mirrors.prepare(upstream.remote, RUN, "main").base_sha
    host.reject(
        "greeter", "refusing to allow a token to create or update workflow without workflow scope"
    )
    with pytest.raises(PushRejectedError, match="Workflows: write"):
        mirrors.push(upstream.remote, RUN, base, BRANCH)


def test_only_a_remotes_words_are_taken_for_a_remotes() -> None:
    said = Output(128, b"", "fatal: unable to access 'x': The requested URL returned error: 301")
    assert not error_of("gc", said, remote=False, late=False).retryable


def _said(words: str, command: str = "push") -> PaidError:
    return error_of(command, Output(128, b"", words), remote=True, late=False)


def _403(words: str) -> str:
    url = "https://github.com/o/r.git/"
    return (
        f"remote: {words}\nfatal: unable to access '{url}': The requested URL returned error: 403"
    )


@pytest.mark.parametrize(
    "words",
    [
        "OpenSSL SSL_read: Connection was reset, errno 10054",
        "Recv failure: Connection was reset",
        "Send failure: Broken pipe",
        "Failure when receiving data from the peer",
        "HTTP/2 stream 5 was not closed cleanly: INTERNAL_ERROR (err 2)",
        "TLS connect error: error:00000000:lib(0)::reason(0)",
        "Could not connect to server",
    ],
)
def test_a_line_that_broke_in_any_of_curls_words_is_tried_again(words: str) -> None:
    assert _said(f"fatal: unable to access 'https://github.com/o/r.git/': {words}").retryable


@pytest.mark.parametrize(
    "words",
    [
        "SSL certificate problem: unable to get local issuer certificate",
        "Received HTTP code 407 from proxy after CONNECT",
        "The requested URL returned error: 451",
        "URL rejected: Malformed input to a URL function",
    ],
)
def test_what_no_waiting_mends_is_not_tried_again(words: str) -> None:
    assert not _said(f"fatal: unable to access 'https://github.com/o/r.git/': {words}").retryable


@pytest.mark.parametrize(
    "words",
    [
        _403("You have exceeded a secondary rate limit. Please wait a few minutes."),
        _403("API rate limit exceeded for user ID 1."),
        _403("The repository is locked for maintenance; try again later."),
        "fatal: unable to access 'x': The requested URL returned error: 429",
    ],
)
def test_a_403_that_passes_is_waited_for_and_blames_no_token(words: str) -> None:
    error = _said(words)
    assert type(error) is GitUnavailableError
    assert error.retry_after_seconds == 60


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("Your account is suspended. Please visit https://support.github.com", "suspended"),
        ("The 'acme' organization has an IP allow list enabled, and ...", "IP allow list"),
        ("Access to this repository has been disabled by GitHub staff.", "no token helps"),
        ("This repository is over its data quota.", "quota"),
        ("`acme` forbids access via a personal access token (classic).", "kind or lifetime"),
        ("Permission to o/r.git denied to bob.", "may not write contents"),
    ],
)
def test_a_403_names_its_cause(words: str, hint: str) -> None:
    error = _said(_403(words))
    assert isinstance(error, GitHubUnauthorizedError)
    assert hint in str(error.hint)


def test_a_body_that_is_too_large_for_a_proxy_is_told_and_not_sent_again() -> None:
    said = "error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413\n"
    error = _said(f"{said}fatal: the remote end hung up unexpectedly")
    assert not error.retryable
    assert "limit" in str(error.hint)
    assert error.for_agent is not None


FILES: dict[str, str] = {
    "Readme.TXT": "one\r\n",
    "readme.txt": "two\n",
    ".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n*.txt text eol=crlf\n",
    "model.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
    "x" * 250: "a long name",
    "ünïcode/日本語.md": "text\n",
}


def test_odd_trees_come_through_whole(mirrors: Mirrors, upstream: Upstream) -> None:
    sha = upstream.commit(FILES)
    (upstream.work / "link").symlink_to("/etc/passwd")
    module = ("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    git(upstream.work, "add", "link")
    git(upstream.work, *module)
    git(upstream.work, "commit", "--quiet", "-m", "a link and a submodule")
    git(upstream.work, "push", "--quiet", str(upstream.bare), "HEAD:main")
    prepared = mirrors.prepare(upstream.remote, RUN, "main")
    listed = git(prepared.path, "ls-tree", "-r", "--name-only", "-z", prepared.base_sha).split("\0")
    assert {*FILES, "link", "module"} <= set(listed)
    assert git(prepared.path, "rev-parse", f"{prepared.base_sha}^") == sha


def test_many_packed_branches_are_one_fetch(mirrors: Mirrors, upstream: Upstream) -> None:
    for number in range(50):
        git(upstream.bare, "update-ref", f"refs/heads/team/{number}", "main")
    git(upstream.bare, "pack-refs", "--all")
    mirrors.fetch(upstream.remote)
    assert mirrors.base_sha(7, "team/49") == git(upstream.bare, "rev-parse", "main")
