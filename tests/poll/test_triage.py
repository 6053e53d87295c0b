"""What a label means, rule by rule, without a server."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from paid.github.words import Edit, IssueSeen, LabelEvent
from paid.triage import (
    NOTHING,
    Action,
    Known,
    Labels,
    Verdict,
    decide,
    reason_to_cancel,
    standing_label,
)

LABELS = Labels("paid-build", "paid-plan", "paid-cancel")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TRUSTED = {"maria"}


def issue(*labels: str, author: str = "otto", minutes: float = 0, state: str = "open") -> IssueSeen:
    """An issue that was last changed so many minutes after noon."""
    changed = NOON + timedelta(minutes=minutes)
    return IssueSeen(3, 30, "T", "B", author, labels, state, changed, "https://example.org/3")


def labelled(
    label: str = "paid-build", actor: str = "maria", number: int = 10, added: bool = True
) -> LabelEvent:
    return LabelEvent(number, label, actor, NOON, added)


def judge(
    seen: IssueSeen,
    events: Sequence[LabelEvent],
    known: int | None = None,
    edits: Sequence[Edit] | None = (),
) -> Verdict:
    return decide(seen, LABELS, Known(known), events, lambda login: login in TRUSTED, lambda: edits)


def test_a_trusted_persons_label_starts() -> None:
    event = labelled()
    assert judge(issue("paid-build"), [event]) == Verdict(Action.START, event)


def test_a_label_whose_event_does_not_show_yet_is_waited_for() -> None:
    assert judge(issue("paid-build"), []).action is Action.WAIT
    gone = [labelled(), labelled(number=11, added=False)]
    assert judge(issue("paid-build"), gone).action is Action.WAIT


def test_an_event_that_was_acted_on_is_nothing_new() -> None:
    assert judge(issue("paid-build"), [labelled()], known=10) == NOTHING
    assert judge(issue("paid-build"), [labelled(number=11)], known=10).action is Action.START


def test_who_set_the_label_last_is_who_counts() -> None:
    events = [labelled(), labelled(number=11, added=False), labelled(actor="eve", number=12)]
    verdict = judge(issue("paid-build"), events)
    assert (verdict.action, verdict.code) == (Action.REFUSE, "label_by_outsider")
    assert "eve" in verdict.message


def test_the_author_of_an_issue_does_not_count_as_who_asks() -> None:
    verdict = judge(issue("paid-build", author="maria"), [labelled(actor="eve")])
    assert verdict.action is Action.REFUSE


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        (("paid-build", "paid-plan"), "two_labels"),
        (("paid-build", "paid-cancel"), "two_labels"),
        (("paid-plan", "paid-cancel"), "two_labels"),
        (("paid-plan",), "no_planning"),
    ],
)
def test_labels_that_contradict_are_refused(labels: tuple[str, ...], code: str) -> None:
    events = [labelled(label, number=10 + n) for n, label in enumerate(labels)]
    verdict = judge(issue(*labels), events)
    assert (verdict.action, verdict.code) == (Action.REFUSE, code)
    assert verdict.hint


def test_labels_are_compared_without_case() -> None:
    assert judge(issue("Paid-Build"), [labelled("PAID-BUILD")]).action is Action.START
    assert standing_label([labelled("Paid-Build")], "paid-build") is not None


@pytest.mark.parametrize(
    ("author", "edits", "action"),
    [
        ("maria", None, Action.START),
        ("otto", (), Action.START),
        ("otto", None, Action.REFUSE),
        ("otto", (Edit("otto", NOON - timedelta(hours=1)),), Action.START),
        ("otto", (Edit("otto", NOON - timedelta(seconds=1)),), Action.START),
        ("otto", (Edit("otto", NOON),), Action.REFUSE),
        ("otto", (Edit("maria", NOON),), Action.START),
        ("otto", (Edit("otto", NOON), Edit("maria", NOON + timedelta(hours=1))), Action.REFUSE),
        ("otto", (Edit("otto", NOON + timedelta(seconds=30)),), Action.REFUSE),
        ("otto", (Edit("maria", NOON + timedelta(seconds=30)),), Action.START),
        ("otto", (Edit("ghost", NOON + timedelta(seconds=30)),), Action.REFUSE),
    ],
)
def test_a_change_after_the_label_counts_by_who_made_it(
    author: str, edits: Sequence[Edit] | None, action: Action
) -> None:
    assert (
        judge(issue("paid-build", author=author, minutes=5), [labelled()], None, edits).action
        is action
    )


def test_an_outsiders_edit_within_the_second_of_the_label_counts_as_after_it() -> None:
    """GitHub's moments are whole seconds, and the issue was last changed when it was labelled."""
    verdict = judge(issue("paid-build"), [labelled()], None, (Edit("otto", NOON),))
    assert (verdict.action, verdict.code) == (Action.REFUSE, "edited_after_label")


@pytest.mark.parametrize("seconds", [-1, 0, 1, 2])
def test_a_server_that_cannot_tell_of_edits_is_not_believed(seconds: int) -> None:
    seen = issue("paid-build", minutes=seconds / 60)
    assert judge(seen, [labelled()], None, None).action is not Action.START


def test_where_edits_are_not_told_nobody_is_said_to_have_edited() -> None:
    verdict = judge(issue("paid-build"), [labelled()], None, None)
    assert verdict.code == "edits_not_told"
    assert "does not tell" in verdict.message
    assert "trusted" in verdict.hint


@pytest.mark.parametrize("author", ["otto", "maria"])
def test_a_text_older_than_its_label_is_waited_for(author: str) -> None:
    stale = issue("paid-build", author=author, minutes=-1 / 60)
    assert judge(stale, [labelled()]).action is Action.WAIT
    assert judge(issue("paid-build", author=author), [labelled()]).action is Action.START


def test_edits_are_not_asked_for_where_the_author_is_trusted() -> None:
    def never() -> Sequence[Edit]:
        raise AssertionError("asked")

    seen = issue("paid-build", author="maria", minutes=5)
    verdict = decide(seen, LABELS, Known(), [labelled()], lambda login: login == "maria", never)
    assert verdict.action is Action.START


@pytest.mark.parametrize(
    ("seen", "purpose", "words"),
    [
        (None, "build", "deleted"),
        (issue("paid-build", "paid-cancel"), "build", "paid-cancel was set"),
        (issue("paid-build", state="closed"), "build", "closed"),
        (issue("paid-plan"), "build", "paid-build was removed"),
        (issue("paid-build"), "plan", "paid-plan was removed"),
    ],
)
def test_a_run_ends_when_its_reason_does(seen: IssueSeen | None, purpose: str, words: str) -> None:
    assert words in (reason_to_cancel(seen, LABELS, purpose) or "")


def test_a_run_goes_on_while_its_label_is_there() -> None:
    assert reason_to_cancel(issue("PAID-BUILD", "other"), LABELS, "build") is None
