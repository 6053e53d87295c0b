"""Messages of commits: what closes, mentions, credits, skips or hides does not go out."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.github.commit_messages import MOST_SUBJECT_CHARS, one_line, publishable

CLOSES = re.compile(
    r"(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+"
    r"(?:[\w.-]+/[\w.-]+)?(?:#|gh-|https?://\S+/(?:issues|pull)/)\d"
)


@pytest.mark.parametrize(
    "reference",
    [
        "#1",
        "GH-1",
        "gh-12",
        "_GH-1_",
        "acme/app#3",
        "acme/app.js#3",
        "https://github.com/acme/app/issues/3",
        "http://github.example.org/acme/app/pull/3",
        "https://gitlab.example.org/a/b/-/merge_requests/4",
        "AB#12",
        "group/project!7",
        "#\u200b1",
        "#\u2060\u00ad1",
    ],
)
@pytest.mark.parametrize("keyword", ["fixes", "Closes:", "RESOLVED", "fix", "implements"])
def test_nothing_is_closed(keyword: str, reference: str) -> None:
    for text in (f"{keyword} {reference}", f"Greet\n\nBetter.\n{keyword}\n{reference}"):
        made = publishable(text, "Title").text
        assert not CLOSES.search(made)
        assert not re.search(r"[#!]\d|(?i:gh-\d)|https?://", made)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("fix: greet (#7)", "fix: greet (#7)\n"),
        ("GH-7: greet", "GH-7: greet\n"),
        ("#7 #8 greet, see #77 and #7a", "#7 # 8 greet, see # 77 and # 7a\n"),
        ("acme/app#7 @acme #7", "acme/app# 7 @ acme #7\n"),
        ("greet [skip #7]", "greet (skip #7)\n"),
        ("https://github.com/a/b/issues/7#7", "https: //github.com/a/b/issues/ 7# 7\n"),
    ],
)
def test_one_issue_may_be_named_where_it_is_asked_for(text: str, made: str) -> None:
    assert publishable(text, "Title", reference=7).text == made
    assert publishable(made, "Title", reference=7).text == made


@pytest.mark.parametrize("before", ["", "_", "1", "é", "(", "\u017f", "git+"])
def test_nothing_is_linked(before: str) -> None:
    for address in ("https://evil.example", "ssh://evil.example", "www.evil.example"):
        made = publishable(f"{before}{address}\n\n{before}{address}", "Title").text
        assert not re.search(r":/|www\.\w", made) or (before, address[0]) == ("1", "w")
    assert publishable("A digit: 5, a digit:5", "Title").text == "A digit: 5, a digit:5\n"


@pytest.mark.parametrize("name", ["@acme", "@acme/team", "(@a-b)", "mail maria@example.org"])
def test_nobody_is_mentioned(name: str) -> None:
    assert not re.search(r"@\w", publishable(f"Thank {name}", "Title").text)


@pytest.mark.parametrize(
    "trailer",
    [
        "Co-authored-by: Evil <ceo@example.org>",
        "co-Authored-By:Evil <ceo@example.org>",
        "Signed-off-by: Linus <l@example.org>",
        "Reviewed-by: Somebody",
        "Acked-by : Somebody",
        "  Approved-By: x",
        "Cc: <stable@example.org>",
        "on-behalf-of: @acme <a@example.org>",
        "skip-checks: true",
        "skip-check:true",
        "Co-authored\u200b-by: Evil <ceo@example.org>",
    ],
)
def test_nobody_is_spoken_for(trailer: str) -> None:
    made = publishable(f"Greet\n\nWhy.\n\n{trailer}\n", "Title")
    assert made.text == "Greet\n\nWhy.\n"
    assert made.changed


def test_the_projects_own_sign_off_stays() -> None:
    text = "Greet\n\nSigned-off-by: Robot <robot@example.org>\n"
    assert publishable(text, "Title", "Robot <robot@example.org>").text == text
    assert "Signed-off" not in publishable(text, "Title", "Other <other@example.org>").text
    assert "Signed-off" not in publishable("Greet\n\nSigned-off-by: ", "Title").text


@pytest.mark.parametrize(
    "words",
    [
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "[Skip Actions]",
        "[actions skip]",
        "[skip netlify]",
        "[skip-ci]",
        "[ci-skip]",
        "[CF-Pages-Skip]",
        "[skip\u200b ci]",
        "[[skip ci]]",
        "***NO_CI***",
    ],
)
def test_no_check_is_skipped(words: str) -> None:
    for text in (f"Greet {words}", f"Greet\n\n{words}\n"):
        made = publishable(text, "Title").text.lower()
        assert not re.search(r"\[[^\]]*\b(skip|no)\b[^\]]*\]|\*\*\*no_ci|\[ci-skip|\[skip-ci", made)


def test_what_is_hidden_goes_and_line_ends_are_lf() -> None:
    text = "Gre\u202eet\x1b[31m\r\n\r\nWh\u200by\x00\U000e0041\r\n"
    assert publishable(text, "Title").text == "Greet\n\nWhy\n"


def test_a_message_without_a_word_gets_the_issues_title() -> None:
    for text in ("", "\n \n", "\u200b", "Co-authored-by: x <x@example.org>"):
        assert publishable(text, "Say hello, fixes #1").text == "Say hello, fixes # 1\n"


def test_a_message_of_megabytes_is_cut() -> None:
    made = publishable("word " * 1_000_000 + "\n\n" + "line\n" * 1_000_000, "Title").text
    assert len(made) < 8_000
    assert len(made.partition("\n")[0]) <= MOST_SUBJECT_CHARS


@pytest.mark.parametrize(
    "text",
    [
        "Greet people by their name\n\nThe name was ignored. [1] shows why; see docs/a.md.\n",
        "feat(api)!: take `name[0]` (breaking)\n\n- one\n- two: 3 % of 10\n",
        "cc: take -m32 for old machines\n\nThe linker wants it, too.\n",
        "Add sorting\n\n    group-by: day\n    order-by: name\n",
        "Strip &shy; and &zwnj; from names\n",
        "Grüße\n\n    code\n\tmore\n",
    ],
)
def test_an_honest_message_stays_as_it_is(text: str) -> None:
    made = publishable(text, "Title")
    assert (made.text, made.changed) == (text, False)


ODD = st.sampled_from("ab #1@[]skipnociGH-:/\n\r\t*!&\u200b\u202e") | st.characters()


@given(st.text(alphabet=ODD))
def test_what_may_be_published_stays_as_it_is(text: str) -> None:
    once = publishable(text, "Title", "Robot <r@example.org>")
    twice = publishable(once.text, "Title", "Robot <r@example.org>")
    assert twice.text == once.text
    assert not twice.changed


def test_a_subject_is_one_line() -> None:
    assert one_line("[Bug]: a\nb  @acme") == "[Bug]: a b @ acme"
    assert len(one_line("x" * 500)) == MOST_SUBJECT_CHARS
