"""What GitHub's documents promise and its bad days bring, where the forge knows no such thing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, formatdate
from typing import Any

import pytest

from paid.errors import (
    GitHubError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
)
from paid.github import reading
from paid.github.addresses import next_page
from paid.github.answers import error_of
from paid.github.client import GitHub
from tests.github.conftest import REPO, ForgeStage
from tests.github.scripted import Asked, Reply, Scripted, scripted

ISSUES = f"/api/v3/repos/{REPO}/issues"
HTML = {"content-type": "text/html"}
NOT_FOUND = Reply(404, {"message": "Not Found"})


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted() as made:
        yield made


def issue(number: int, repo: str = REPO) -> dict[str, Any]:
    return {
        "number": number, "id": 2**53 + number, "title": "T", "body": None, "user": None,
        "labels": ["paid-build"], "state": "open", "updated_at": "2026-01-01T00:00:00Z",
        "html_url": "x", "repository_url": f"https://github.example.org/api/v3/repos/{repo}",
    }  # fmt: skip


def link(address: str) -> dict[str, str]:
    return {"link": f'<{address}>; rel="next", <{address}&before=x>; rel="prev"'}


def test_the_next_page_is_where_the_server_says(server: Scripted) -> None:
    """Past 100 pages GitHub refuses numbers, and takes only the cursors of its Link headers."""

    def answer(asked: Asked) -> Reply:
        if "page" in asked.query:
            return Reply(422, {"message": "Pagination with the page parameter is not supported"})
        if asked.query.get("after") == "Y3Vyc29y==":
            return Reply(200, [issue(2)])
        there = f"{server.api_url}/repositories/9/issues?per_page=100&after=Y3Vyc29y%3D%3D"
        return Reply(200, [issue(1)], link(there))

    server.answer = answer
    assert [seen.number for seen in server.github.issues(REPO)] == [1, 2]
    assert server.paths == [f"GET {ISSUES}", "GET /api/v3/repositories/9/issues"]


def test_pages_that_lead_in_a_circle_end(server: Scripted) -> None:
    """As where a repository is renamed in its middle, and the redirect loses the page."""
    there = f"{server.api_url}/repositories/9/issues?per_page=100&page=2"
    server.answer = lambda _: Reply(200, [issue(1)], link(there))
    with pytest.raises(GitHubUnavailableError, match="in a circle"):
        server.github.issues(REPO)
    assert len(server.asked) == 2


def test_a_cursor_never_takes_the_token_to_another_server(server: Scripted) -> None:
    there = "https://elsewhere.example.org/api/v3/repositories/9/issues?after=x"
    server.answer = lambda asked: Reply(
        200, [issue(1)], {} if "after" in asked.query else link(there)
    )
    server.github.issues(REPO)
    assert server.paths[1:] == ["GET /api/v3/repositories/9/issues"]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('<https://h/api/v3/x?a=1>; rel="prev", <https://h/api/v3/x?a=2>; rel="next"', "/x?a=2"),
        ("<https://h/api/v3/x>;rel=next", "/x"),
        ('<https://h/api/v3/x>; title="next"; rel="last"', None),
        ('<https://h/elsewhere>; rel="next"', None),
        ('<https://[h/api/v3/x>; rel="next"', None),
        ("", None),
    ],
)
def test_link_headers_are_read(header: str, expected: str | None) -> None:
    assert next_page(header, "https://h/api/v3") == expected


@pytest.mark.parametrize("tells", [True, False])
def test_a_full_page_that_is_as_it_was_may_have_a_new_page_behind_it(
    tells: bool, server: Scripted
) -> None:
    """An ETag is of one page's body; a 304 may, but need not, say that there is a next one."""
    last = [100]

    def answer(asked: Asked) -> Reply:
        following = link(f"{server.api_url}/repos/{REPO}/issues?page=2") if last[0] > 100 else {}
        if asked.query.get("page") == "2":
            return Reply(200, [issue(number) for number in range(101, last[0] + 1)])
        if "if-none-match" in asked.headers:
            return Reply(304, None, following if tells else {})
        whole = [issue(number) for number in range(1, 101)]
        return Reply(200, whole, {"etag": 'W/"first"', **following})

    server.answer = answer
    assert len(server.github.issues(REPO)) == 100
    last[0] = 101
    assert len(server.github.issues(REPO)) == 101
    followed = "state" not in server.asked[-1].query  # the link of the test has no such parameter
    assert followed is tells


def moved(asked: Asked, server: Scripted) -> Reply | None:
    """What GitHub answers for the old name of a repository: 301 to reads, 307 to writes."""
    if f"/repos/{REPO}" not in asked.path:
        return None
    there = asked.path.replace(f"/api/v3/repos/{REPO}", f"{server.api_url}/repositories/9")
    status = 301 if asked.verb == "GET" else 307
    return Reply(status, {"message": "Moved", "url": there}, {"location": there})


def test_a_write_to_a_renamed_repository_arrives(server: Scripted) -> None:
    server.answer = lambda asked: moved(asked, server) or Reply(200, [])
    server.github.add_labels(REPO, 1, ["paid-done"])
    written = server.asked[-1]
    assert (written.verb, written.path) == ("POST", "/api/v3/repositories/9/issues/1/labels")
    assert written.body == {"labels": ["paid-done"]}
    assert written.headers["authorization"] == "token token"


def test_an_issue_of_a_renamed_repository_is_not_taken_for_a_transferred_one(
    server: Scripted,
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/repositories/9"):
            return Reply(200, {"full_name": "Acme/renamed"})
        return moved(asked, server) or Reply(200, issue(1, "Acme/renamed"))

    server.answer = answer
    assert server.github.issue(REPO, 1) is not None


@pytest.mark.parametrize(
    "location",
    ["https://idp.example.org/login", "//elsewhere/api/v3/x", "/x", "", "http://h:x/"],
)
def test_a_redirect_leads_to_the_projects_own_api_or_nowhere(
    location: str, server: Scripted
) -> None:
    server.answer = lambda _: Reply(307, None, {"location": location} if location else {})
    with pytest.raises(GitHubError, match="not the project's API") as raised:
        server.github.create_comment(REPO, 1, "x")
    assert not raised.value.retryable
    assert len(server.asked) == 1


def test_a_circle_of_redirects_ends(server: Scripted) -> None:
    server.answer = lambda asked: Reply(
        307, None, {"location": server.api_url + asked.path.removeprefix("/api/v3")}
    )
    with pytest.raises(GitHubError, match="more than 3 times"):
        server.github.create_comment(REPO, 1, "x")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_only_github_itself_is_believed_that_something_is_gone_or_forbidden(
    status: int, server: Scripted
) -> None:
    """A proxy's page with such a status must not pause a project or end its runs."""
    server.answer = lambda _: Reply(status, b"<html>no such host</html>", HTML)
    with pytest.raises(GitHubUnavailableError, match=f"Something answered {status}") as raised:
        server.github.issue(REPO, 1)
    assert "/api/v3" in str(raised.value)


@pytest.mark.parametrize(
    ("headers", "message", "hint"),
    [
        (
            {"x-github-sso": "required; url=https://github.com/orgs/acme/sso?a=b"},
            "Resource protected by organization SAML enforcement.",
            "https://github.com/orgs/acme/sso?a=b",
        ),
        (
            {"x-accepted-github-permissions": "issues=write; pull_requests=write"},
            "Resource not accessible by personal access token",
            "issues=write; pull_requests=write",
        ),
        ({}, "Unable to create comment because issue is locked.", "Unlock"),
        ({}, "Repository was archived so is read-only.", "Unarchive"),
        ({}, "Repository access blocked", "is blocked on GitHub"),
        ({}, "User is blocked", "is blocked on GitHub"),
        ({}, "Repository has been locked for migration.", "while it is moved"),
        ({}, "`acme` forbids access via a personal access token (classic).", "kind or lifetime"),
        ({}, "the `acme` organization has an IP allow list enabled", "IP allow list"),
        ({"x-accepted-github-permissions": "<b>\x1b[2J"}, "No", "contents, issues and pulls"),
    ],
)
def test_a_refusal_says_what_to_do_about_it(
    headers: dict[str, str], message: str, hint: str
) -> None:
    error = error_of(403, headers, f'{{"message": "{message}"}}')
    assert isinstance(error, GitHubUnauthorizedError)
    assert hint in str(error.hint)


@pytest.mark.parametrize("ahead_seconds", [-3600, 3600])
def test_a_limit_ends_by_the_servers_clock(ahead_seconds: int) -> None:
    now = 1_800_000_000 + ahead_seconds
    headers = {
        "date": formatdate(now, usegmt=True),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(now + 60),
    }
    error = error_of(403, headers, '{"message": "API rate limit exceeded"}')
    assert isinstance(error, GitHubRateLimitedError)
    assert error.retry_after_seconds == 61


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1)])
def test_the_time_on_github_is_what_its_answers_say(ahead: timedelta, server: Scripted) -> None:
    there = datetime.now(UTC) + ahead
    headers = {"date": format_datetime(there, usegmt=True)}
    server.answer = lambda _: Reply(200, {"login": "maria"}, headers)
    server.github.login()
    assert timedelta(seconds=-1) <= server.github.now() - there < timedelta(minutes=5)


def test_a_server_that_does_not_tell_the_time_has_ours(server: Scripted) -> None:
    server.answer = lambda _: Reply(200, {"login": "maria"}, {"date": "soon"})
    server.github.login()
    assert abs(server.github.now() - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("part", [None, {"repository": {"issue": None}}])
@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}], GitHubRateLimitedError),
        ([{"message": "Something went wrong while executing your query."}], GitHubUnavailableError),
    ],
)
def test_a_passing_failure_of_graphql_is_not_taken_for_its_answer(
    errors: list[dict[str, str]], kind: type[GitHubError], part: object, server: Scripted
) -> None:
    """Else an issue that nobody has edited would be refused as edited."""
    server.answer = lambda _: Reply(200, {"data": part, "errors": errors})
    with pytest.raises(kind):
        server.github.edits(REPO, 1)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(404, b"404: Not Found", HTML),
        Reply(200, {"data": {"repository": None}, "errors": [{"type": "NOT_FOUND"}]}),
        Reply(200, {"errors": [{"message": "Field 'lastEditedAt' doesn't exist on type 'Issue'"}]}),
    ],
)
def test_a_server_that_cannot_tell_of_edits_says_so(reply: Reply, server: Scripted) -> None:
    server.answer = lambda _: reply
    assert server.github.edits(REPO, 1) is None


def edited(login: str, kind: str, second: int) -> dict[str, Any]:
    return {
        "editedAt": f"2026-01-01T00:00:{second:02d}Z",
        "editor": {"login": login, "__typename": kind},
        "deletedAt": None,
        "deletedBy": None,
    }


NEVER_EDITED = {"lastEditedAt": None, "editor": None}


@pytest.mark.parametrize(
    ("shown", "count"),
    [
        ({"title": "T", "body": "As\r\nread"}, 0),
        ({"title": "T", "body": "As it was before"}, 1),
        ({"title": "As it was before", "body": "As\nread"}, 1),
        ({}, 0),
    ],
)
def test_a_copy_of_github_that_is_behind_is_not_believed(
    shown: dict[str, str], count: int, server: Scripted
) -> None:
    """REST may show an outsider's edit of which GraphQL has not heard yet."""
    told = {**NEVER_EDITED, **shown}
    server.answer = lambda asked: Reply(
        200, {"data": {"repository": {"issue": told}}} if asked.verb == "POST" else []
    )
    seen = reading.issue({**issue(1), "title": "T", "body": "As\nread"})
    edits = server.github.edits(REPO, 1, seen)
    assert edits is not None
    assert [edit.editor for edit in edits] == ["ghost"] * count
    assert all(edit.at > datetime.now(UTC) - timedelta(minutes=1) for edit in edits)


@pytest.mark.parametrize(("at", "expected"), [(None, []), ("2026-01-01T00:00:09Z", None)])
def test_a_list_that_is_not_there_is_empty_only_where_nothing_was_edited(
    at: str | None, expected: list[Any] | None, server: Scripted
) -> None:
    told = {"lastEditedAt": at, "editor": None, "userContentEdits": None, "timelineItems": None}
    server.answer = lambda asked: Reply(
        200, {"data": {"repository": {"issue": told}}} if asked.verb == "POST" else []
    )
    assert server.github.edits(REPO, 1) == expected


def test_every_edit_is_told_and_an_app_is_no_namesake(server: Scripted) -> None:
    """GraphQL says `maria` of an app that REST calls `maria[bot]`."""
    page = {"hasNextPage": False, "endCursor": None}
    told = {
        "lastEditedAt": "2026-01-01T00:00:09Z", "editor": None,
        "userContentEdits": {
            "nodes": [edited("otto", "User", 3), edited("maria", "Bot", 4)], "pageInfo": page,
        },
        "timelineItems": {
            "nodes": [{"createdAt": "2026-01-01T00:00:05Z", "actor": {"login": "eve"}}],
            "pageInfo": page,
        },
    }  # fmt: skip

    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("graphql"):
            return Reply(200, {"data": {"repository": {"issue": told}}})
        return Reply(200, [])

    server.answer = answer
    edits = server.github.edits(REPO, 1)
    assert edits is not None
    assert [edit.editor for edit in edits] == ["otto", "maria[bot]", "eve", "ghost"]


def repository(**more: Any) -> dict[str, Any]:
    return {
        "id": 9, "full_name": REPO, "default_branch": "trunk/main", "clone_url": "x",
        "html_url": "x", "private": False, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (Reply(200, {"permission": "write", "role_name": "deployer"}), True),
        (Reply(200, {"permission": "read", "role_name": "read"}), False),
        (Reply(403, {"message": "Must have push access to view collaborator permission."}), False),
        (NOT_FOUND, False),
    ],
)
def test_where_a_repository_does_not_tell_the_rights_they_are_asked_for(
    answered: Reply, expected: bool, server: Scripted
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/user"):
            return Reply(200, {"login": "paid-bot"})
        return answered if asked.path.endswith("/permission") else Reply(200, repository())

    server.answer = answer
    assert server.github.repository(REPO, look_inside=False).can_push is expected


def test_a_repository_that_nothing_can_be_done_in_says_so(server: Scripted) -> None:
    server.answer = lambda _: Reply(
        200, repository(permissions={"push": True}, disabled=True, has_issues=False)
    )
    found = server.github.repository(REPO, look_inside=False)
    assert found.disabled
    assert not found.has_issues


def test_a_certificate_that_is_not_trusted_says_where_to_put_it(server: Scripted) -> None:
    github = GitHub("token", server.api_url.replace("http://", "https://"))
    with pytest.raises(GitHubUnavailableError, match="REQUESTS_CA_BUNDLE"):
        github.login()
    github.close()


def refused(*errors: Any) -> Reply:
    return Reply(422, {"message": "Validation Failed", "errors": list(errors)})


@pytest.mark.parametrize(
    "errors",
    [
        [{"resource": "PullRequest", "field": "head", "code": "invalid"}],
        [{"resource": "PullRequest", "code": "custom", "message": "not all refs are readable"}],
        ["Head ref must be a branch"],
        ["Head sha can't be blank", "Base sha can't be blank", "No commits between main and x"],
    ],
)
def test_a_branch_that_github_does_not_see_yet_is_waited_for(
    errors: list[Any], server: Scripted
) -> None:
    """For a moment after a push, its REST side may not know the branch."""
    server.answer = lambda _: refused(*errors)
    with pytest.raises(GitHubUnavailableError, match="just pushed"):
        server.github.create_pull_request(REPO, title="T", body="B", branch="paid/x", base="main")


def test_what_a_retry_does_not_change_is_not_retried(server: Scripted) -> None:
    server.answer = lambda _: refused(
        {"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"}
    )
    with pytest.raises(GitHubError, match="No commits between") as raised:
        server.github.create_pull_request(REPO, title="T", body="B", branch="x", base="main")
    assert not raised.value.retryable


def test_a_label_that_somebody_makes_at_the_same_moment_is_there(server: Scripted) -> None:
    server.answer = lambda asked: (
        NOT_FOUND
        if asked.verb == "GET"
        else refused({"resource": "Label", "field": "name", "code": "already_exists"})
    )
    assert not server.github.ensure_label(REPO, "paid-build", "ffffff", "x")


def test_a_label_that_cannot_be_made_is_an_error(server: Scripted) -> None:
    server.answer = lambda asked: (
        NOT_FOUND
        if asked.verb == "GET"
        else refused({"resource": "Label", "field": "color", "code": "invalid"})
    )
    with pytest.raises(GitHubError, match="color invalid"):
        server.github.ensure_label(REPO, "paid-build", "x", "x")


def test_a_repository_that_is_gone_is_still_gone(server: Scripted) -> None:
    server.answer = lambda _: NOT_FOUND
    with pytest.raises(GitHubNotFoundError):
        server.github.repository(REPO)


def test_everything_works_under_a_repositorys_old_name(forge_stage: ForgeStage) -> None:
    maria, number = forge_stage.as_("maria"), forge_stage.issue()
    forge_stage.branch("paid/issue-1-1")
    forge_stage.forge.rename_repository(REPO, "Acme-Inc/welcomer")
    maria.add_labels(REPO, number, ["paid-build"])
    assert [seen.number for seen in maria.issues(REPO, "paid-build")] == [number]
    seen = maria.issue(REPO, number)
    assert seen is not None
    assert seen.labels == ("paid-build",)
    words = {"title": "T", "body": "B", "branch": "paid/issue-1-1", "base": "main"}
    made = maria.create_pull_request(REPO, **words)
    assert maria.create_pull_request(REPO, **words).number == made.number
