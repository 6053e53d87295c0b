"""What Paid writes on GitHub reads well, and holds nothing of a stranger's that is active."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from paid.check_lines import parse
from paid.contracts import RunStatus
from paid.github import status
from paid.github.fake import FakeForge, FakeGitHub
from paid.github.neutral import (
    code,
    code_block,
    neutralise,
    neutralise_inline,
    neutralise_title,
    plain_title,
    quoted,
)
from paid.github.texts import (
    HEADLINES,
    CheckSeen,
    FileSeen,
    PullRequestView,
    StatusView,
    dollars,
    find_ours,
    pull_request_text,
    status_comment,
)
from paid.github.words import Comment

EVIL = (
    "@octocat @org/team fixes #1, closes acme/x#2 and GH-3 ![x](https://evil.example/x.png) "
    "[click](https://evil.example) <img src=x onerror=alert(1)> <!-- hidden --> "
    "https://evil.example www.evil.example\n# Heading\n---\n> quote\n| a | b |\n$x$ `code` "
    "~~~\n```\n<details>"
)
ACTIVE = re.compile(
    r"@(?=[A-Za-z0-9])|#(?=\d)|\bgh-(?=\d)|https?:(?=//)|\bwww\.(?=\w)", re.IGNORECASE
)


def view(**changes: object) -> PullRequestView:
    values: dict[str, object] = {
        "issue_number": 3,
        "issue_title": "Say hello",
        "issue_body": "Not hi.",
        "requested_by": "maria",
        "run_id": 41,
        "agent": "codex",
        "base_sha": "a" * 40,
        "head_sha": "b" * 40,
        "summary": "I changed the greeting.",
        "commits": ("Say hello", "Test it"),
        "files": (FileSeen("src/greet.py", 1, 1), FileSeen("logo.png", None, None)),
        "checks": (CheckSeen(("python3", "-m", "unittest"), True, 1.2, False),),
        "rounds": 2,
        "cost_microdollars": 41_234,
        "tokens": 9_123,
        "minutes": 3.21,
    }
    return PullRequestView(**{**values, **changes})  # type: ignore[arg-type]


def rendered(markdown: str) -> str:
    """As GitHub would, but for its own filters: with raw HTML and tables."""
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown)


def outside_code(markdown: str) -> str:
    """What GitHub looks through for mentions and references: all words but those in code."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    inline = [child for token in tokens for child in token.children or []]
    return "\n".join(child.content for child in inline if child.type == "text")


def test_a_check_is_shown_as_the_command_that_ran() -> None:
    checks = tuple(
        CheckSeen(tuple(parse(line)), True)
        for line in ("npm ci && npm test", "pytest -k 'a b'", "true")
    )
    body = pull_request_text(view(checks=checks)).body
    assert "bash -euo pipefail -c 'npm ci && npm test'` passed" in body
    assert "pytest -k 'a b'` passed" in body
    assert "`true` passed; it passes whatever a commit holds" in body


def test_what_a_person_let_go_is_named() -> None:
    body = pull_request_text(view(let_go=("a GitHub token in `a @acme`.ini, line 2",))).body
    assert "a person let it go" in body
    assert "a GitHub token in" in body
    assert "@acme" not in outside_code(body)
    assert "let it go" not in pull_request_text(view()).body


def test_a_green_check_without_a_test_is_told() -> None:
    empty = CheckSeen(("python3", "-m", "unittest"), True, 0.1, ran_no_test=True)
    body = pull_request_text(view(checks=(empty,))).body
    assert "`python3 -m unittest` passed in 0.1 s, **but says that it ran no test**" in body


@pytest.mark.parametrize("make", [neutralise, neutralise_inline, quoted])
def test_a_strangers_text_becomes_plain_words(make: object) -> None:
    text = make(EVIL)  # type: ignore[operator]
    assert not ACTIVE.search(text)
    html = rendered(text)
    assert not re.search(r"<(?!/?(?:p|blockquote|br|ul|ol|li)\b)", html), html


@pytest.mark.parametrize("before", ["", "_", "1", "é", "*", "(", "x", "\u017f", "K", "\u200b"])
def test_no_letter_before_an_address_makes_it_a_link(before: str) -> None:
    for address in ("https://evil.example", "HTTP://evil.example", "ftp://evil.example"):
        for made in (neutralise(before + address), plain_title(before + address)):
            assert ":\u2060//evil" in made


@pytest.mark.parametrize("before", ["", "_", "é", "*", "(", "~"])
def test_an_address_without_scheme_is_broken_before_its_dot(before: str) -> None:
    # cmark-gfm takes a joiner behind the dot for a part of the host's name
    for made in (neutralise(f"{before}www.evil.example"), plain_title(f"{before}WWW.evil.example")):
        assert "www\u2060." in made.lower()


@pytest.mark.parametrize(
    "command", ["/approve", "/hold cancel", "  /lgtm\r", "/assign @acme", "/ok-to-test"]
)
@pytest.mark.parametrize("make", [neutralise, code_block])
def test_no_line_is_an_order_to_a_bot(make: Callable[[str], str], command: str) -> None:
    """Prow and its kind take them from a pull request's body, with its author's rights."""
    assert not re.search(r"(?m)^\s*/[a-z]", make(f"Done.\n\n{command}\n{command}"))


def test_paths_are_no_orders() -> None:
    assert neutralise("/usr/bin/env\n/ is the root") == "/usr/bin/env\n/ is the root"


def test_empty_lines_cost_nothing() -> None:
    began = time.thread_time()
    neutralise("a" + "\n" * 20_000 + "- b", 30_000)
    assert time.thread_time() - began < 1


def test_code_cannot_be_left() -> None:
    for text in ("`", "``", "a ``` b", "` `` `", "\n```\n# x", ""):
        html = rendered(f"x {code(text)} y")
        assert html.count("<code>") == 1
        assert "<h1>" not in html
    assert rendered(code_block(EVIL)).count("<pre>") == 1
    assert not ACTIVE.search(code_block(EVIL))


def test_a_title_has_no_references_and_one_line() -> None:
    title = plain_title(f"{EVIL}\n\x1b[31m\u202e{'x' * 500}")
    assert not ACTIVE.search(title)
    assert "\n" not in title
    assert len(title) <= 240


@pytest.mark.parametrize(
    "words", ["[skip ci]", "[no ci]", "[ci-skip]", "***NO_CI***", "[sk\u200bip ci]"]
)
def test_no_title_and_no_file_name_skips_a_check(words: str) -> None:
    made = pull_request_text(view(issue_title=f"Greet {words}", files=(FileSeen(words, 1, 1),)))
    assert words not in made.title
    assert f"`{words}`" not in made.body
    assert "[" not in made.title
    assert "***" not in made.title


@pytest.mark.parametrize(
    "path", ["docs/fixes #1 @acme", "closes GH-2", "fixes _GH-1_", "a/@acme/x.ts", "fix acme/x#3"]
)
def test_a_file_name_is_inert_where_a_squash_makes_a_message_of_the_body(path: str) -> None:
    body = pull_request_text(view(files=(FileSeen(path, 1, 1),))).body
    assert not re.search(r"(?i)#\d|gh-\d|@acme", body.replace("Closes #3.", ""))
    assert path in body.replace("\u2060", "")


@pytest.mark.parametrize("title", ["_GH-1_", "fixes _GH-1_", "__gh-2__"])
def test_a_reference_between_underscores_is_broken_in_a_title(title: str) -> None:
    assert not re.search(r"(?i)gh-\d", plain_title(title))


@given(st.text(max_size=200))
def test_no_title_gets_through_alive(title: str) -> None:
    html = rendered(f"> {neutralise_title(title)}")
    assert not re.search(r"<(?!/?(?:p|br|ul|ol|li|hr|pre|code|blockquote)\b)", html)
    assert not ACTIVE.search(neutralise_title(title))
    assert not ACTIVE.search(plain_title(title))


@pytest.mark.parametrize(
    "title", ["[Bug]: Crash", "<Select value=x>", "![a](b)", "# 5 &lt; <!-- 6 -->"]
)
def test_a_title_is_quoted_as_it_reads(title: str) -> None:
    body = pull_request_text(view(issue_title=title, issue_body="")).body
    [line] = [line for line in body.splitlines() if line.startswith("> ")]
    shown = unescape(re.sub(r"<[^>]*>", "", rendered(line))).replace("\u2060", "")
    assert shown.strip() == title


@given(st.text(max_size=200))
def test_no_text_gets_through_alive(text: str) -> None:
    html = rendered(neutralise(text))
    assert not re.search(r"<(?!/?(?:p|br|ul|ol|li|hr|pre|code)\b)", html)
    assert not ACTIVE.search(neutralise(text))


def test_a_pull_request_says_what_was_asked_done_checked_and_paid() -> None:
    text = pull_request_text(view())
    assert text.title == "Say hello"
    for words in (
        "Closes #3.",
        "> Say hello",
        "I changed the greeting.",
        "- Test it",
        "2 files changed (+1 -1)",
        "`src/greet.py` (+1 -1)",
        "`logo.png` (binary)",
        "`python3 -m unittest` passed in 1.2 s; on the base it failed",
        "2 rounds",
        "$0.0412 for 9,123 tokens, 3.2 minutes.",
        "run 41",
        "<!-- paid:run=41 -->",
    ):
        assert words in text.body, words


def test_a_pull_request_without_checks_admits_it() -> None:
    assert "no checks set" in pull_request_text(view(checks=())).body


def test_a_failed_check_stands_out() -> None:
    failed = (CheckSeen(("make",), False),)
    assert "`make` **failed**" in pull_request_text(view(checks=failed)).body


def test_nothing_of_the_agents_or_the_askers_is_active_in_a_pull_request() -> None:
    text = pull_request_text(
        view(
            issue_title=EVIL,
            issue_body=EVIL,
            requested_by="x](y)",
            summary=EVIL,
            commits=(EVIL, EVIL),
            files=(FileSeen(EVIL, 1, 1),),
            checks=(CheckSeen((EVIL,), False),),
            findings=(EVIL,),
        )
    )
    words = outside_code(text.body)
    assert ACTIVE.findall(words) == ["#"], "Paid's own reference to the issue, and no other"
    assert "Closes #3." in words
    html = rendered(text.body)
    assert "<img" not in html
    assert "<a " not in html
    assert not ACTIVE.search(text.title)


def test_a_huge_change_makes_no_huge_body() -> None:
    files = tuple(FileSeen(f"src/{n}.py", 1, 1) for n in range(5_000))
    text = pull_request_text(
        view(files=files, issue_body="x" * 1_000_000, summary="y\n" * 500_000, commits=("z",) * 900)
    )
    assert len(text.body) < 20_000
    assert "… and 4970 more" in text.body


def test_nothing_that_others_wrote_pushes_out_how_it_was_checked() -> None:
    text = pull_request_text(
        view(
            issue_body="&" * 9_000,
            summary="<" * 9_000,
            commits=("&" * 200,) * 20,
            files=tuple(FileSeen("@a" * 100, 1, 1) for _ in range(30)),
            left_out=(("@a" * 100, 2),) * 30,
            checks=(CheckSeen(("make",), True, ran_no_test=True),),
            let_go=("a Slack token in a.txt",),
        )
    )
    assert len(text.body) <= 60_000
    assert "says that it ran no test" in text.body
    assert "a Slack token in a.txt" in text.body
    assert text.body.endswith("<!-- paid:run=41 -->\n")


@pytest.mark.parametrize("piece", ["@a", "#1", "www.", "gh-1 ", "[no]", "x"])
def test_a_title_fits_githubs_limit_whatever_is_broken_in_it(piece: str) -> None:
    assert len(pull_request_text(view(issue_title=piece * 256)).title) <= 256


def test_every_status_has_its_words() -> None:
    assert set(RunStatus) <= set(HEADLINES)
    for name in HEADLINES:
        assert status_comment(StatusView(name)).startswith("**Paid** ")


def test_the_comment_says_how_it_goes() -> None:
    text = status_comment(
        StatusView(
            "completed",
            run_id=41,
            run_url="http://127.0.0.1:8400/runs/41",
            agent="codex",
            branch="paid/issue-3-41",
            pull_request_url="https://example.org/pull/9",
            cost_microdollars=1_500_000,
            tokens=20,
            rounds=1,
            findings=("HTML comment: 2",),
        )
    )
    assert "[41](http://127.0.0.1:8400/runs/41) with `codex`" in text
    assert "Pull request: https://example.org/pull/9" in text
    assert "$1.50, 20 tokens, 1 round of agent" in text
    assert "HTML comment: 2" in text
    assert "<table>" in rendered(text)


def test_a_message_in_the_comment_is_neutral() -> None:
    text = status_comment(StatusView("failed", message=EVIL, hint=EVIL))
    assert not ACTIVE.search(text)
    assert "<img" not in rendered(text)


@pytest.mark.parametrize(
    ("microdollars", "shown"),
    [(0, "$0.00"), (1, "$0.0000"), (41_234, "$0.0412"), (100_000, "$0.10"), (12_345_678, "$12.35")],
)
def test_money_is_shown_in_dollars(microdollars: int, shown: str) -> None:
    assert dollars(microdollars) == shown


def test_only_our_own_comment_is_adopted() -> None:
    body = status_comment(StatusView("running"))
    theirs, ours = Comment(1, "eve", body, ""), Comment(2, "Paid-Bot", body, "")
    assert find_ours([theirs, ours], "paid-bot") is ours
    assert find_ours([theirs, Comment(3, "paid-bot", "hello", "")], "paid-bot") is None


def test_there_is_one_comment_whatever_happens() -> None:
    forge = FakeForge()
    forge.add_repository("acme/x", "maria")
    number = forge.add_issue("acme/x", "T", "B", "otto")
    github = FakeGitHub(forge, "maria")
    running, failed = (status_comment(StatusView(name)) for name in ("running", "failed"))
    first = status.say(github, "acme/x", number, running)
    assert status.say(github, "acme/x", number, running) == first, "the answer was lost"
    assert status.say(github, "acme/x", number, failed, first) == first
    forge.repositories["acme/x"].comments[number].clear()
    again = status.say(github, "acme/x", number, running, first)
    assert again != first
    assert len(github.comments("acme/x", number)) == 1


def test_a_cost_that_no_vendor_counted_is_said_to_be_the_most() -> None:
    whole = StatusView("failed", run_id=1, cost_microdollars=4_050_000)
    assert "at most" not in status_comment(whole)
    bound = replace(whole, estimated_microdollars=4_050_000)
    assert "| Cost | $4.05 at most (estimated) |" in status_comment(bound)
    part = replace(whole, estimated_microdollars=4_000_000)
    assert "$4.05 at most ($4.00 of it estimated)" in status_comment(part)


def test_what_was_left_out_is_told() -> None:
    body = pull_request_text(view(left_out=((".venv", 812), (".env", 1)))).body
    assert "Left out" in body
    assert "`.venv` (812 files), `.env`" in body
    assert "Left out" not in pull_request_text(view()).body.partition("## How it was checked")[0]


def test_a_head_that_was_published_under_another_author_names_what_was_checked() -> None:
    body = pull_request_text(view(checked_sha="c" * 40)).body
    assert f"on the exact commit `{'c' * 12}`, published as `{'b' * 12}`" in body
    assert "published as" not in pull_request_text(view(checked_sha="b" * 40)).body
