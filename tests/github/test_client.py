"""The real client and what GitHub does on bad days: limits, outages, nonsense, odd fields."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paid.demo.forge import Fault
from paid.errors import (
    GitHubError,
    GitHubNotFoundError,
    GitHubRateLimitedError,
    GitHubUnauthorizedError,
    GitHubUnavailableError,
    PaidError,
)
from paid.github import reading
from paid.github.answers import error_of
from paid.github.client import GitHub
from paid.github.connection import Connection
from paid.github.etags import EtagCache, Kept
from paid.github.limits import retry_after_seconds
from tests.github.conftest import REPO, ForgeStage
from tests.waiting import HANGS_SECONDS

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
IN_90_SECONDS = str(NOW.timestamp() + 90)


def test_asking_again_is_conditional_and_still_sees_news(forge_stage: ForgeStage) -> None:
    maria = forge_stage.as_("maria")
    forge_stage.issue()
    first = maria.issues(REPO)
    assert maria.issues(REPO) == first
    assert forge_stage.forge.gate.log[-1].status == 304
    forge_stage.issue()
    assert len(maria.issues(REPO)) == 2


def test_lists_are_read_to_their_last_page(forge_stage: ForgeStage) -> None:
    for _ in range(230):
        forge_stage.issue()
    assert len(forge_stage.as_("maria").issues(REPO)) == 230


def test_a_permission_that_is_hidden_means_no(forge_stage: ForgeStage) -> None:
    forge_stage.forge.fail(Fault(kind="status", status=404, path=r"/permission$"))
    assert forge_stage.as_("maria").permission(REPO, "maria") == "none"


def test_a_lost_answer_does_not_become_a_second_pull_request(forge_stage: ForgeStage) -> None:
    maria = forge_stage.as_("maria")
    forge_stage.branch("paid/issue-1-1")
    words = {"title": "T", "body": "B", "branch": "paid/issue-1-1", "base": "main"}
    forge_stage.forge.fail(Fault(kind="drop_after", method="POST", path=r"/pulls$"))
    with pytest.raises(GitHubUnavailableError):
        maria.create_pull_request(REPO, **words)
    made = maria.create_pull_request(REPO, **words)
    assert [pull.number for pull in forge_stage.forge.pulls(REPO)] == [made.number]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_outage_can_be_retried(status: int, forge_stage: ForgeStage) -> None:
    forge_stage.forge.fail(Fault(kind="status", status=status))
    maria = forge_stage.as_("maria")
    with pytest.raises(GitHubUnavailableError):
        maria.login()
    assert maria.login() == "maria"


@pytest.mark.parametrize("kind", ["truncate", "garbage", "drop_before"])
def test_nonsense_can_be_retried(kind: str, forge_stage: ForgeStage) -> None:
    forge_stage.forge.fail(Fault(kind=kind, path=r"/issues"))  # type: ignore[arg-type]
    maria = forge_stage.as_("maria")
    forge_stage.issue()
    with pytest.raises(GitHubUnavailableError):
        maria.issues(REPO)
    assert len(maria.issues(REPO)) == 1


def test_silence_ends_at_the_time_limit(forge_stage: ForgeStage) -> None:
    forge_stage.forge.fail(Fault(kind="timeout", seconds=HANGS_SECONDS))
    token = forge_stage.forge.add_user("maria")
    github = GitHub(token, forge_stage.forge.api_url, timeout_seconds=1)
    with pytest.raises(GitHubUnavailableError, match="did not answer"):
        github.login()
    github.close()


@pytest.mark.parametrize("kind", ["primary", "secondary"])
def test_a_limit_holds_every_later_question_back(kind: str, forge_stage: ForgeStage) -> None:
    forge_stage.forge.fail(Fault(kind=kind, seconds=30))  # type: ignore[arg-type]
    maria = forge_stage.as_("maria")
    with pytest.raises(GitHubRateLimitedError) as raised:
        maria.login()
    assert 10 <= raised.value.retry_after_seconds <= 32
    asked = len(forge_stage.forge.gate.log)
    with pytest.raises(GitHubRateLimitedError, match="nothing was asked"):
        maria.issues(REPO)
    assert len(forge_stage.forge.gate.log) == asked


@pytest.mark.parametrize(
    ("status", "headers", "message", "expected"),
    [
        (403, {"retry-after": "17"}, "", 17),
        (429, {"retry-after": "0"}, "", 1),
        (429, {"retry-after": "1e99"}, "", 21600),
        (429, {"retry-after": "nan"}, "", 60),
        (429, {"retry-after": "soon"}, "", 60),
        (429, {"retry-after": format_datetime(NOW.replace(minute=2), usegmt=True)}, "", 120),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": IN_90_SECONDS}, "", 91),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0"}, "", 1),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "?"}, "", 60),
        (403, {"x-ratelimit-remaining": "0"}, "", 60),
        (403, {}, "You have exceeded a secondary rate limit.", 60),
        (403, {}, "You have triggered an abuse detection mechanism.", 60),
        (429, {}, "", 60),
        (403, {}, "Maximum number of login attempts exceeded. Please try again later.", 60),
        (422, {}, "Validation Failed; was submitted too quickly", 60),
        (422, {"retry-after": "9"}, "Validation Failed; Body was submitted too quickly", 9),
        (422, {"retry-after": "9"}, "Validation Failed; title is too long", None),
        (403, {"x-ratelimit-remaining": "4999"}, "Resource not accessible", None),
        (404, {"retry-after": "9"}, "", None),
        (500, {"retry-after": "9"}, "", None),
    ],
)  # fmt: skip
def test_github_says_how_long_to_wait(
    status: int, headers: dict[str, str], message: str, expected: float | None
) -> None:
    assert retry_after_seconds(status, headers, message, NOW) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, GitHubUnauthorizedError),
        (403, GitHubUnauthorizedError),
        (404, GitHubNotFoundError),
        (410, GitHubNotFoundError),
        (451, GitHubNotFoundError),
        (408, GitHubUnavailableError),
        (500, GitHubUnavailableError),
        (400, GitHubError),
        (409, GitHubError),
        (422, GitHubError),
    ],
)
def test_each_status_is_its_own_error(status: int, kind: type[GitHubError]) -> None:
    assert type(error_of(status, {}, '{"message": "Because"}')) is kind


def test_an_error_tells_githubs_reason_but_not_a_book() -> None:
    body = json.dumps(
        {"message": "Validation Failed", "errors": [{"message": "No commits"}, "x", 3] * 200}
    )
    said = error_of(422, {}, body).message
    assert "Validation Failed; No commits; x" in said
    assert len(said) < 400


class Answering(BaseHTTPRequestHandler):
    body = b"{}"
    location = ""

    def do_GET(self) -> None:
        self.send_response(301 if self.location else 200)
        self.send_header("content-type", "application/json")
        if self.location:
            self.send_header("location", self.location)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def odd_server() -> Iterator[tuple[type[Answering], GitHub]]:
    handler = type("Handler", (Answering,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    github = GitHub(
        "t", f"http://127.0.0.1:{server.server_address[1]}", timeout_seconds=HANGS_SECONDS
    )
    yield handler, github
    github.close()
    server.shutdown()
    thread.join()
    server.server_close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["id", "number", "title", "body", "user", "login", "labels", "name", "state", "event",
             "updated_at", "created_at", "html_url", "full_name", "permission", "head", "base",
             "ref", "sha", "actor", "label", "private", "default_branch", "clone_url"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(value=json_values)
def test_no_answer_makes_the_client_crash(
    value: object, odd_server: tuple[type[Answering], GitHub]
) -> None:
    handler, github = odd_server
    handler.body = json.dumps(value).encode()
    for ask in (
        lambda: github.login(),
        lambda: github.repository(REPO),
        lambda: github.issues(REPO),
        lambda: github.issue(REPO, 1),
        lambda: github.label_events(REPO, 1),
        lambda: github.permission(REPO, "x"),
        lambda: github.comments(REPO, 1),
        lambda: github.find_pull_request(REPO, "x"),
        lambda: github.pull_request(REPO, 1),
    ):
        try:
            ask()
        except PaidError as error:
            assert error.retryable  # noqa: PT017 - not failing is as good


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"\xff\xfe", b"", b"null", b"NaN", b'"x"', b"<html>"]
)
def test_odd_bodies_are_nonsense(body: bytes, odd_server: tuple[type[Answering], GitHub]) -> None:
    handler, github = odd_server
    handler.body = body
    with pytest.raises(GitHubUnavailableError):
        github.login()


def test_a_redirect_to_elsewhere_is_not_followed(
    odd_server: tuple[type[Answering], GitHub],
) -> None:
    handler, github = odd_server
    handler.location = "http://example.org/user"
    with pytest.raises(GitHubError, match="redirected"):
        github.login()


def test_a_server_that_is_not_there_can_be_retried() -> None:
    with pytest.raises(GitHubUnavailableError, match="cannot be reached") as raised:
        GitHub("secret-token", "http://127.0.0.1:9").login()
    assert "secret-token" not in str(raised.value)


@pytest.mark.parametrize("url", ["", "example.org", "ftp://x"])
def test_an_odd_address_is_explained(url: str) -> None:
    with pytest.raises(GitHubError) as raised:
        GitHub("t", url).login()
    assert not raised.value.retryable or "reached" in raised.value.message


def test_threads_do_not_get_each_others_answers(forge_stage: ForgeStage) -> None:
    maria = forge_stage.as_("maria")
    numbers = [forge_stage.issue() for _ in range(20)]
    wrong: list[int] = []

    def ask(number: int) -> None:
        issue = maria.issue(REPO, number)
        if issue is None or issue.number != number:
            wrong.append(number)

    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_cache_forgets_what_was_used_least() -> None:
    cache = EtagCache(most_chars=10)
    for key in ("a", "b"):
        cache.put(key, Kept("e", "12345", {}))
    cache.get("a")
    cache.put("c", Kept("e", "12345", {}))
    assert cache.get("a") is not None
    assert cache.get("b") is None
    cache.put("d", Kept("e", "x" * 100, {}))
    assert cache.get("d") is None


def test_a_connection_may_be_used_again_after_close(forge_stage: ForgeStage) -> None:
    token = forge_stage.forge.add_user("maria")
    connection = Connection(token, forge_stage.forge.api_url)
    connection.get("/user")
    connection.close()
    assert connection.get("/user").data["login"] == "maria"
    connection.close()


def test_an_edit_is_read_from_graphql() -> None:
    told = {"repository": {"issue": {"lastEditedAt": "2026-01-01T00:00:00Z", "editor": None}}}
    edit = reading.last_edit(told)
    assert edit is not None
    assert edit.editor == "ghost"
    never = {"repository": {"issue": {"lastEditedAt": None, "editor": None}}}
    assert reading.last_edit(never) is None
    with pytest.raises(GitHubError):
        reading.last_edit({"repository": None})


def test_edits_are_unknown_where_nothing_speaks_graphql(forge_stage: ForgeStage) -> None:
    forge_stage.forge.fail(Fault("status", status=404, path="graphql"))
    assert forge_stage.as_("maria").edits(REPO, forge_stage.issue()) is None


def test_a_custom_roles_name_is_not_taken_for_a_right() -> None:
    assert reading.permission({"permission": "read", "role_name": "Write-ish"}) == "read"
    assert reading.permission({"permission": "write", "role_name": "maintain"}) == "maintain"
    assert reading.permission({"permission": "superuser"}) == "none"


def test_a_classic_token_without_the_scope_may_not_push() -> None:
    data = {
        "id": 1, "full_name": REPO, "default_branch": "main", "clone_url": "x", "html_url": "x",
        "private": False, "permissions": {"push": True},
    }  # fmt: skip
    assert not reading.repository(data, empty=False, scopes="gist, read:org").can_push
    assert reading.repository(data, empty=False, scopes="repo").can_push
    assert reading.repository(data, empty=False, scopes="").can_push
    archived = {**data, "archived": True}
    assert not reading.repository(archived, empty=False, scopes=None).can_push


def test_a_transferred_issue_is_gone(odd_server: tuple[type[Answering], GitHub]) -> None:
    handler, github = odd_server
    issue = {
        "number": 3, "id": 1, "title": "T", "body": None, "user": {"login": "otto"}, "labels": [],
        "state": "open", "updated_at": "2026-01-01T00:00:00Z", "html_url": "x",
        "repository_url": f"https://api.github.com/repos/{REPO}",
    }  # fmt: skip
    handler.body = json.dumps(issue).encode()
    assert github.issue(REPO, 3) is not None
    elsewhere = {**issue, "repository_url": "https://api.github.com/repos/other/place"}
    handler.body = json.dumps(elsewhere).encode()
    assert github.issue(REPO, 3) is None
