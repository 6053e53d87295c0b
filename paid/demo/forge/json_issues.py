"""Issues, comments and events, as GitHub writes them in JSON."""

from __future__ import annotations

from typing import Any

from paid.demo.forge.json_people import label_json, maybe_time, node_id, time, user_json
from paid.demo.forge.links import Links
from paid.demo.forge.world import Comment, Issue, IssueEvent, Repository, World

Json = dict[str, Any]
REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


def association(repository: Repository, login: str) -> str:
    """How the author stands to the repository."""
    if login == repository.owner:
        return "OWNER"
    return "COLLABORATOR" if login in repository.permissions else "NONE"


def issue_json(issue: Issue, repository: Repository, world: World, links: Links) -> Json:
    """`issue`; a pull request is one too, and says where its other half is."""
    url = links.issue(repository.full_name, issue.number)
    page = links.issue_page(repository.full_name, issue.number, pull=issue.pull is not None)
    answer: Json = {
        "id": issue.id,
        "node_id": node_id("Issue", issue.id),
        "url": url,
        "repository_url": links.repository(repository.full_name),
        "labels_url": url + "/labels{/name}",
        "comments_url": f"{url}/comments",
        "events_url": f"{url}/events",
        "html_url": page,
        "number": issue.number,
        "state": issue.state,
        "state_reason": "completed" if issue.state == "closed" else None,
        "title": issue.title,
        "body": issue.body,
        "user": user_json(world.user(issue.login), links),
        "labels": [
            label_json(world.label(repository, name), repository, links) for name in issue.labels
        ],
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "locked": False,
        "active_lock_reason": None,
        "comments": len(issue.comments),
        "closed_at": maybe_time(issue.closed_at),
        "created_at": time(issue.created_at),
        "updated_at": time(issue.updated_at),
        "closed_by": None,
        "author_association": association(repository, issue.login),
        "reactions": reactions_json(url),
        "timeline_url": f"{url}/timeline",
        "performed_via_github_app": None,
        "draft": issue.pull is not None and issue.pull.draft,
    }
    if issue.pull is not None:
        answer["pull_request"] = _other_half(issue, repository, links, page)
    return answer


def _other_half(issue: Issue, repository: Repository, links: Links, page: str) -> Json:
    merged_at = issue.pull.merged_at if issue.pull else None
    return {
        "url": links.pull(repository.full_name, issue.number),
        "html_url": page,
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "merged_at": maybe_time(merged_at),
    }


def reactions_json(url: str) -> Json:
    """Nobody reacts here."""
    counts: Json = dict.fromkeys(REACTIONS, 0)
    return counts | {"url": f"{url}/reactions", "total_count": 0}


def comment_json(
    comment: Comment, issue: Issue, repository: Repository, world: World, links: Links
) -> Json:
    """`issue-comment`."""
    base = links.repository(repository.full_name)
    page = links.issue_page(repository.full_name, issue.number, pull=issue.pull is not None)
    url = f"{base}/issues/comments/{comment.id}"
    return {
        "id": comment.id,
        "node_id": node_id("IssueComment", comment.id),
        "url": url,
        "html_url": f"{page}#comment-{comment.id}",
        "issue_url": links.issue(repository.full_name, issue.number),
        "user": user_json(world.user(comment.login), links),
        "body": comment.body,
        "created_at": time(comment.created_at),
        "updated_at": time(comment.updated_at),
        "author_association": association(repository, comment.login),
        "reactions": reactions_json(url),
        "performed_via_github_app": None,
    }


def event_json(event: IssueEvent, repository: Repository, world: World, links: Links) -> Json:
    """`issue-event-for-issue`: who set or took away which label, closed, reopened, renamed."""
    answer: Json = {
        "id": event.id,
        "node_id": node_id("Event", event.id),
        "url": f"{links.repository(repository.full_name)}/issues/events/{event.id}",
        "actor": user_json(world.user(event.login), links),
        "event": event.event,
        "commit_id": None,
        "commit_url": None,
        "created_at": time(event.created_at),
        "performed_via_github_app": None,
    }
    if event.label is not None:
        answer["label"] = {"name": event.label, "color": event.color}
    if event.rename is not None:
        answer["rename"] = {"from": event.rename[0], "to": event.rename[1]}
    if event.event in ("closed", "reopened"):
        answer["state_reason"] = None
    return answer


def timeline_comment_json(
    comment: Comment, issue: Issue, repository: Repository, world: World, links: Links
) -> Json:
    """`timeline-comment-event`."""
    shown = comment_json(comment, issue, repository, world, links)
    return shown | {"event": "commented", "actor": shown["user"]}
