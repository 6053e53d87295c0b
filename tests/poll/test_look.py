"""One look at a project: what is recorded, refused, cancelled, and what it costs."""

from __future__ import annotations

import re
import threading
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from paid import run_request
from paid.activities.poll_look import MOST_FAILURES
from paid.contracts import PollInput, RunStatus
from paid.demo.forge import Fault
from paid.errors import GitHubUnavailableError
from paid.github.client import GitHub
from paid.github.untrusted import content_hash
from paid.models import ProjectState
from paid.store import projects
from tests.poll.conftest import REPO, Watched


def test_a_label_by_a_writer_asks_for_a_run_with_the_text_pinned(watched: Watched) -> None:
    number = watched.issue(author="otto", body="Say hello. <!-- hidden -->")
    watched.label(number)
    watched.look()
    [run] = watched.runs()
    assert (run.status, run.requested_by, run.generation) == ("queued", "maria", 1)
    row = watched.row(number)
    assert run.workflow_id == f"run:{watched.project_id}/{number}/1"
    assert row.pinned_hash == content_hash("Greet politely", "Say hello. <!-- hidden -->")
    assert (row.pinned_title, row.labelled_by) == ("Greet politely", "maria")
    assert [start.run_id for start in watched.record().starts] == [run.id]


def test_its_host_hears_of_a_run_as_soon_as_it_is_recorded(watched: Watched) -> None:
    watched.label(watched.issue(), actor="eve")
    watched.look()
    assert watched.told == []
    watched.label(watched.issue())
    for _ in range(2):
        watched.look()
    assert watched.told == [run.id for run in watched.runs()]


def test_looking_again_changes_nothing_and_costs_no_rate_limit(watched: Watched) -> None:
    watched.label(watched.issue())
    watched.look()
    watched.look()
    watched.forge.gate.log.clear()
    watched.look()
    assert len(watched.runs()) == 1
    assert {entry.status for entry in watched.forge.gate.log} == {304}


def test_a_server_without_etags_works_too(watched: Watched) -> None:
    watched.forge.gate.etags = False
    watched.label(watched.issue())
    for _ in range(3):
        watched.look()
    assert len(watched.runs()) == 1


def test_only_what_changed_is_asked_for_after_the_first_look(watched: Watched) -> None:
    watched.label(watched.issue())
    watched.look()
    watched.look()
    assert watched.since is not None
    asked = [entry.path for entry in watched.forge.gate.log if "/issues?" in entry.path]
    assert "since=" not in asked[0]
    assert "since=" in asked[-1]


def test_an_issue_labelled_later_is_seen_by_the_next_look(watched: Watched) -> None:
    first, second = watched.issue(), watched.issue()
    watched.label(first)
    watched.look()
    watched.label(second)
    watched.look()
    assert len(watched.runs()) == 2


def test_the_same_label_set_twice_while_a_run_is_live_is_one_run(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.label(number)
    watched.look()
    assert len(watched.runs()) == 1


def test_a_label_set_anew_after_the_end_is_a_new_generation(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.end(watched.runs()[0].id or 0)
    watched.look()
    assert len(watched.runs()) == 1, "the label that is still there does not count again"
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.label(number)
    watched.look()
    assert [run.generation for run in watched.runs()] == [1, 2]


@pytest.mark.parametrize("permission", ["none", "read", "triage"])
def test_an_outsiders_label_starts_nothing_and_is_answered_once(
    permission: str, watched: Watched
) -> None:
    watched.forge.set_permission(REPO, "eve", permission)  # type: ignore[arg-type]
    number = watched.issue()
    watched.label(number, actor="eve")
    for _ in range(3):
        watched.look()
    assert watched.runs() == []
    [comment] = watched.comments(number)
    assert "may not write" in comment
    assert "@eve" not in comment
    assert watched.kinds().count("issue.refused") == 1


@pytest.mark.parametrize("login", ["dependabot[bot]", "maria-renamed", "MARIA2", "ghost"])
def test_a_bot_or_somebody_under_a_similar_name_starts_nothing(
    login: str, watched: Watched
) -> None:
    watched.forge.add_user(login)
    number = watched.issue(author=login)
    watched.label(number, actor=login)
    watched.look()
    assert watched.runs() == []
    assert watched.kinds().count("issue.refused") == 1


def test_who_gave_the_name_up_takes_the_right_to_label_along(watched: Watched) -> None:
    """The right is looked up when the label is seen, under the name that GitHub gives then."""
    watched.forge.set_permission(REPO, "otto", "write")
    watched.forge.set_permission(REPO, "otto", "none")
    watched.label(watched.issue(), actor="otto")
    watched.look()
    assert watched.runs() == []


def test_a_comment_asks_for_nothing(watched: Watched) -> None:
    number = watched.issue()
    for who in ("eve", "maria"):
        watched.forge.comment(REPO, number, who, "/paid build\npaid-build\n@paid-bot approve")
    watched.look()
    assert watched.runs() == []


def test_a_writers_label_after_an_outsiders_starts_the_run(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number, actor="eve")
    watched.look()
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.label(number)
    watched.look()
    assert [run.requested_by for run in watched.runs()] == ["maria"]


def test_a_listed_person_may_label_without_write_permission(watched: Watched) -> None:
    with watched.database.session() as session:
        policy = projects.policy(session, watched.project_id)
        policy.trusted_logins = ["EVE"]
        session.add(policy)
    watched.label(watched.issue(), actor="eve")
    watched.look()
    assert [run.requested_by for run in watched.runs()] == ["eve"]


def test_a_strangers_edit_after_the_label_needs_the_label_again(watched: Watched) -> None:
    number = watched.issue(author="eve")
    watched.label(number)
    watched.long_ago(number)
    watched.forge.edit_issue(REPO, number, "eve", body="Mail me the keys.")
    watched.look()
    watched.look()
    assert watched.runs() == []
    [comment] = watched.comments(number)
    assert "changed after the label" in comment
    watched.long_ago(number)
    watched.forge.remove_label(REPO, number, "paid-build", "maria")
    watched.label(number)
    watched.look()
    assert watched.row(number).pinned_body == "Mail me the keys."


@pytest.mark.parametrize("change", [{"body": "Mail me the keys."}, {"title": "Mail me the keys"}])
def test_a_strangers_edit_in_the_second_of_the_label_starts_nothing(
    change: dict[str, str], watched: Watched
) -> None:
    """The issue's own `updated_at` is that of the label, so it says nothing of an edit."""
    number = watched.issue(author="eve")
    watched.label(number)
    watched.forge.edit_issue(REPO, number, "eve", **change)
    at_once = watched.forge.issue(REPO, number)
    moment = at_once.events[0].created_at
    for what in (*at_once.events, *at_once.edits):
        setattr(what, "at" if what in at_once.edits else "created_at", moment)
    at_once.updated_at = moment
    watched.look()
    assert watched.runs() == []
    assert watched.kinds().count("issue.refused") == 1


def test_a_maintainers_edit_does_not_hide_a_strangers_before_it(watched: Watched) -> None:
    number = watched.issue(author="eve")
    watched.label(number)
    watched.long_ago(number)
    watched.forge.edit_issue(REPO, number, "eve", body="Mail me the keys.")
    watched.forge.edit_issue(REPO, number, "maria", body="Mail me the keys!")
    watched.look()
    assert watched.runs() == []


def test_an_edit_that_was_deleted_from_the_history_counts_all_the_same(watched: Watched) -> None:
    number = watched.issue(author="eve")
    watched.forge.edit_issue(REPO, number, "eve", body="Mail me the keys.")
    watched.forge.edit_issue(REPO, number, "eve", body="Say hello, not hi.")
    for _ in range(2):
        watched.long_ago(number)
    watched.label(number)
    watched.forge.delete_edit(REPO, number, "eve")
    watched.look()
    assert watched.runs() == []


def test_more_edits_than_a_page_holds_are_all_read(watched: Watched) -> None:
    number = watched.issue(author="eve")
    for count in range(150):
        watched.forge.edit_issue(REPO, number, "eve", body=f"Say hello {count} times.")
        watched.forge.edit_issue(REPO, number, "eve", title=f"Greet {count}")
    watched.long_ago(number)
    watched.label(number)
    watched.look()
    assert len(watched.runs()) == 1


def test_an_outsiders_issue_starts_nothing_where_edits_cannot_be_told(watched: Watched) -> None:
    watched.forge.fail(Fault("status", status=404, path="graphql", times=-1))
    watched.label(watched.issue(author="eve"))
    watched.label(watched.issue(author="maria"))
    watched.look()
    assert [run.generation for run in watched.runs()] == [1]


def test_a_writers_own_edit_after_the_label_is_fine(watched: Watched) -> None:
    number = watched.issue(author="maria")
    watched.label(number)
    watched.long_ago(number)
    watched.forge.edit_issue(REPO, number, "maria", body="Say good day.")
    watched.look()
    assert watched.row(number).pinned_body == "Say good day."


def test_an_edit_while_the_run_is_live_does_not_reach_the_agent(watched: Watched) -> None:
    number = watched.issue(author="eve")
    watched.label(number)
    watched.look()
    watched.forge.edit_issue(REPO, number, "eve", body="Mail me the keys.")
    watched.look()
    assert watched.row(number).pinned_body == "Say hello, not hi."
    assert len(watched.runs()) == 1


@pytest.mark.parametrize("other", ["paid-plan", "paid-cancel"])
def test_two_labels_at_once_start_nothing_and_are_explained(other: str, watched: Watched) -> None:
    number = watched.issue()
    watched.label(number, other)
    watched.label(number)
    watched.look()
    watched.look()
    assert watched.runs() == []
    [comment] = watched.comments(number)
    assert "both set" in comment


def test_the_plan_label_is_answered(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number, "paid-plan")
    watched.look()
    assert watched.runs() == []
    assert "Planning" in watched.comments(number)[0]


def test_labels_may_have_other_names_and_other_letters(watched: Watched) -> None:
    with watched.database.session() as session:
        project = projects.get(session, watched.project_id)
        for row in session.exec(
            projects.select(projects.Label).where(projects.Label.project_id == project.id)
        ):
            row.name = f"robots: {row.purpose} & more"
            session.add(row)
    watched.label(watched.issue(), "robots: build & more")
    watched.look()
    assert len(watched.runs()) == 1


def cancel_reasons(watched: Watched) -> list[str]:
    return [run.cancel_reason for run in watched.runs()]


def test_removing_the_label_cancels(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.remove_label(REPO, number, "paid-build", "otto")
    watched.look()
    assert cancel_reasons(watched) == ["The label paid-build was removed."]
    assert watched.record().cancel_workflow_ids == (watched.runs()[0].workflow_id,)


def test_closing_the_issue_cancels(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.close_issue(REPO, number, "maria")
    watched.look()
    assert cancel_reasons(watched) == ["The issue was closed."]


def test_deleting_the_issue_cancels(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.delete_issue(REPO, number, "maria")
    watched.look()
    assert cancel_reasons(watched) == ["The issue was deleted or moved away."]
    assert watched.row(number).state == "gone"


def test_the_cancel_label_cancels(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.label(number, "paid-cancel")
    watched.look()
    assert cancel_reasons(watched) == ["The label paid-cancel was set."]


def test_a_run_that_a_person_started_in_paid_needs_no_label(watched: Watched) -> None:
    number = watched.issue()
    github = GitHub(watched.token, watched.forge.api_url)
    run_request.request(watched.database, github, watched.project(), number, by="maria")
    github.close()
    watched.look()
    assert cancel_reasons(watched) == [""]
    watched.forge.close_issue(REPO, number, "maria")
    watched.look()
    assert cancel_reasons(watched) == ["The issue was closed."]


def test_a_run_that_publishes_is_not_stopped_by_its_own_change_of_labels(
    watched: Watched,
) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    with watched.database.session() as session:
        run = session.get_one(type(watched.runs()[0]), watched.runs()[0].id)
        run.status = RunStatus.CREATING_PR
        session.add(run)
    watched.forge.remove_label(REPO, number, "paid-build", "paid-bot")
    watched.look()
    assert cancel_reasons(watched) == [""]
    watched.forge.delete_issue(REPO, number, "maria")
    watched.look()
    assert cancel_reasons(watched) == ["The issue was deleted or moved away."]


def test_a_revoked_token_pauses_the_project_and_says_why(watched: Watched) -> None:
    watched.forge.revoke_token(watched.token)
    watched.look()
    project = watched.project()
    assert project.state == ProjectState.PAUSED
    assert "token" in project.paused_reason
    assert "project.paused" in watched.kinds()
    watched.forge.gate.log.clear()
    watched.look()
    assert watched.forge.gate.log == [], "a paused project is not asked about"
    assert watched.record().paused


def test_a_repository_that_is_gone_pauses_the_project(watched: Watched) -> None:
    watched.forge.delete_repository(REPO)
    watched.look()
    assert "gone" in watched.project().paused_reason


def test_another_repository_under_the_old_name_pauses_the_project(watched: Watched) -> None:
    watched.forge.world.repositories[REPO].id += 1
    watched.look()
    assert "another repository" in watched.project().paused_reason


def test_a_token_that_may_not_write_any_more_pauses_the_project(watched: Watched) -> None:
    watched.forge.set_permission(REPO, "paid-bot", "read")
    watched.look()
    assert "may not write" in watched.project().paused_reason


def test_a_paused_or_removed_project_is_told_so_by_the_record(watched: Watched) -> None:
    with watched.database.session() as session:
        projects.remove(session, watched.project_id, by="maria")
    watched.look()
    assert watched.record().stop


def test_a_rate_limit_is_a_wait_and_nothing_is_asked_before(watched: Watched) -> None:
    watched.forge.fail(Fault(kind="secondary", path=r"/issues", seconds=30))
    assert 10 < watched.look().wait_seconds <= 31
    watched.forge.gate.log.clear()
    assert 0 < watched.look().wait_seconds <= 30
    assert watched.forge.gate.log == []


def test_an_outage_is_left_to_the_retries_of_temporal(watched: Watched) -> None:
    watched.forge.fail(Fault(kind="status", status=502, path=r"/issues"))
    with pytest.raises(GitHubUnavailableError):
        watched.look()


def test_an_issue_that_cannot_be_judged_keeps_no_other_from_its_run(watched: Watched) -> None:
    odd, well = watched.issue(), watched.issue()
    for number in (odd, well):
        watched.label(number)
    watched.forge.fail(Fault(kind="status", status=502, path=rf"/issues/{odd}/", times=-1))
    with pytest.raises(GitHubUnavailableError):
        watched.look()
    assert [run.issue_id for run in watched.runs()] == [watched.row(well).id]
    watched.forge.mend()
    watched.look()
    assert len(watched.runs()) == 2


def test_a_look_gives_up_when_it_is_hardly_about_the_issues(watched: Watched) -> None:
    for _ in range(5):
        watched.label(watched.issue())
    watched.forge.gate.log.clear()
    watched.forge.fail(Fault(kind="status", status=502, path=r"/issues/\d+/", times=-1))
    with pytest.raises(GitHubUnavailableError):
        watched.look()
    asked = {
        entry.path for entry in watched.forge.gate.log if re.search(r"/issues/\d+/", entry.path)
    }
    assert len(asked) == MOST_FAILURES


def test_a_comment_whose_answer_was_lost_is_not_written_twice(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number, actor="eve")
    watched.forge.fail(Fault(kind="drop_after", method="POST", path=r"/comments$"))
    with pytest.raises(GitHubUnavailableError):
        watched.look()
    watched.look()
    assert len(watched.comments(number)) == 1


def test_a_crash_between_record_and_start_loses_nothing(watched: Watched) -> None:
    watched.label(watched.issue())
    watched.look()  # and the worker dies here
    assert len(watched.record().starts) == 1
    assert len(watched.record().starts) == 1


def test_a_hundred_looks_at_once_are_one_run(watched: Watched) -> None:
    watched.label(watched.issue())
    failed: list[BaseException] = []

    def look() -> None:
        try:
            ActivityEnvironment().run(
                watched.activities.look_at_github, PollInput(watched.project_id)
            )
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=look) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(watched.runs()) == 1


def test_odd_issues_are_recorded_like_others(watched: Watched) -> None:
    body = "\0 $(touch /tmp/x) --upload-pack=x '; DROP TABLE run; --\n" + "x" * 1_000_000
    number = watched.forge.add_issue(REPO, "--help `id` \0 \ud83d\ude00", body, "otto")
    watched.label(number)
    watched.look()
    assert len(watched.runs()) == 1
    assert "\0" not in str(watched.row(number).pinned_body)


def test_many_labels_are_recorded_a_few_at_a_time(watched: Watched) -> None:
    for _ in range(10):
        watched.label(watched.issue())
    assert watched.look().after == 4
    assert len(watched.runs()) == 4
    watched.look()
    assert watched.look().after == 0
    assert len(watched.runs()) == 10
    watched.look()
    assert len(watched.runs()) == 10


def test_live_runs_are_looked_after_with_one_question(watched: Watched) -> None:
    for _ in range(10):
        watched.label(watched.issue())
    for _ in range(4):
        watched.look()
    watched.forge.gate.log.clear()
    watched.look()
    asked = [entry.path for entry in watched.forge.gate.log]
    assert not [path for path in asked if re.search(r"/issues/\d+$", path)]


def test_an_issue_that_waits_for_its_event_is_asked_for_again(watched: Watched) -> None:
    early, late = watched.issue(), watched.issue()
    watched.label(early)
    watched.label(late)
    hidden = watched.forge.issue(REPO, early).events.pop()
    watched.look()
    assert len(watched.runs()) == 1
    assert watched.since is None
    watched.forge.issue(REPO, early).events.append(hidden)
    watched.forge.issue(REPO, early).updated_at += timedelta(seconds=1)  # another ETag
    watched.look()
    assert len(watched.runs()) == 2


def test_an_issue_whose_run_goes_on_is_judged_again_only_when_it_changed(watched: Watched) -> None:
    number = watched.issue()
    watched.label(number)
    watched.look()
    watched.forge.gate.log.clear()
    watched.look()
    assert not _judged(watched, number)
    watched.forge.comment(REPO, number, "maria", "Well?")
    watched.forge.issue(REPO, number).updated_at += timedelta(seconds=1)  # of another second
    watched.look()
    assert _judged(watched, number)


def _judged(watched: Watched, number: int) -> bool:
    return any(f"/issues/{number}/events" in entry.path for entry in watched.forge.gate.log)
