"""What a token may do is found out without a trace, and its end is read in every form."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from paid.errors import GitHubRateLimitedError, GitHubUnauthorizedError
from paid.github.connection import Connection
from paid.github.rights import expiry, missing_rights
from paid.registration import check_rights
from tests.github.conftest import REPO, ForgeStage
from tests.github.scripted import Reply, scripted

ALL = {"contents": "write", "issues": "write", "pull_requests": "write"}
WORDS = {
    "contents": "Contents: write",
    "issues": "Issues: write",
    "pull_requests": "Pull requests: write",
}


def missing_of(stage: ForgeStage, rights: dict[str, str] | None) -> list[str]:
    github = stage.as_("maria")
    if rights is not None:
        stage.forge.limit_token(list(stage.forge.world.tokens)[-1], rights)
    return [
        lack.right for lack in github.missing_rights(github.repository(REPO, look_inside=False))
    ]


@pytest.mark.parametrize("level", ["", "read"])
@pytest.mark.parametrize("right", list(ALL))
def test_each_right_is_tried_on_its_own(right: str, level: str, forge_stage: ForgeStage) -> None:
    assert missing_of(forge_stage, {**ALL, right: level}) == [WORDS[right]]


def test_a_token_with_all_rights_lacks_none_and_the_trial_leaves_no_trace(
    forge_stage: ForgeStage,
) -> None:
    before = forge_stage.forge.branches(REPO)
    for rights in (ALL, None):
        assert missing_of(forge_stage, rights) == []
    assert not forge_stage.forge.world.repositories[REPO].issues
    assert forge_stage.forge.branches(REPO) == before


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (b"You have exceeded a secondary rate limit. Please wait.", GitHubRateLimitedError),
        (b"Write access to repository not granted.", None),
    ],
)
def test_a_limit_is_not_taken_for_a_right_that_is_lacking(
    words: bytes, error: type[Exception] | None
) -> None:
    with scripted() as server:
        server.answer = lambda asked: (
            Reply(403, words) if asked.verb == "GET" else Reply(422, {"message": "No"})
        )
        clone_url = server.api_url.replace("/api/v3", "/o/r.git")
        ask = partial(missing_rights, Connection("t", server.api_url), "o/r", "main", clone_url)
        if error is None:
            assert [lack.right for lack in ask("t")] == ["Contents: write"]
            return
        with pytest.raises(error):
            ask("t")


def test_what_is_lacking_is_named_with_what_to_do(forge_stage: ForgeStage) -> None:
    github = forge_stage.as_("maria")
    forge_stage.forge.limit_token(list(forge_stage.forge.world.tokens)[-1])
    found = github.repository(REPO, look_inside=False)
    with pytest.raises(GitHubUnauthorizedError) as raised:
        check_rights(found, github.missing_rights(found))
    for words in (*WORDS.values(), "Contents, Issues and Pull requests (read and write)"):
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("2026-12-31 23:59:59 UTC", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-12-31 23:59:59 +0100", datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)),
        ("2026-12-31 23:59:59 -0800", datetime(2027, 1, 1, 7, 59, 59, tzinfo=UTC)),
        ("2026-12-31T23:59:59Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-02-31 23:59:59 UTC", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_an_end_is_read_in_each_of_githubs_forms(
    header: str | None, wanted: datetime | None
) -> None:
    assert expiry(header) == wanted


def test_a_tokens_end_is_heard_with_any_answer(forge_stage: ForgeStage) -> None:
    github = forge_stage.as_("maria")
    assert github.token_expires_at() is None
    token = list(forge_stage.forge.world.tokens)[-1]
    forge_stage.forge.let_expire(token, "2026-12-31 23:59:59 UTC")
    github.issues(REPO)
    assert github.token_expires_at() == datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
