"""Pull requests, commits and files, as GitHub writes them in JSON."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from paid.demo.forge.git_store import CommitSeen, FileChange, GitStore
from paid.demo.forge.json_issues import association, issue_json
from paid.demo.forge.json_people import maybe_time, node_id, repository_json, time, user_json
from paid.demo.forge.links import Links
from paid.demo.forge.world import Issue, Pull, Repository, Status, World

Json = dict[str, Any]


def pull_json(issue: Issue, pull: Pull, repository: Repository, world: World, links: Links) -> Json:
    """`pull-request-simple`, as lists show it."""
    url = links.pull(repository.full_name, issue.number)
    page = links.issue_page(repository.full_name, issue.number, pull=True)
    addresses = _addresses(url, page, links.issue(repository.full_name, issue.number))
    statuses = f"{links.repository(repository.full_name)}/statuses/{pull.head_sha}"
    kept = ("number", "state", "title", "body", "user", "labels", "locked", "created_at")
    issue_fields = issue_json(issue, repository, world, links)
    return (
        {name: issue_fields[name] for name in (*kept, "updated_at", "closed_at")}
        | addresses
        | {
            "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "html_url": page,
            "statuses_url": statuses,
            "head": _side(pull.head_ref, pull.head_sha, repository, world, links),
            "base": _side(pull.base_ref, pull.base_sha, repository, world, links),
            "draft": pull.draft,
            "merged_at": maybe_time(pull.merged_at),
            "merge_commit_sha": None,
            "author_association": association(repository, issue.login),
            "auto_merge": None,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "milestone": None,
            "active_lock_reason": None,
            "_links": {
                name: {"href": addresses[field]}
                for name, field in (
                    ("self", "url"),
                    ("issue", "issue_url"),
                    ("comments", "comments_url"),
                    ("commits", "commits_url"),
                    ("review_comments", "review_comments_url"),
                    ("review_comment", "review_comment_url"),
                )
            }
            | {"html": {"href": page}, "statuses": {"href": statuses}},
        }
    )


def full_pull_json(
    issue: Issue, pull: Pull, repository: Repository, world: World, links: Links, git: GitStore
) -> Json:
    """`pull-request`, with the figures that only a single one shows."""
    name = repository.full_name
    base = git.merge_base(name, pull.base_sha, pull.head_sha)
    changes = git.changes(name, base, pull.head_sha)
    return pull_json(issue, pull, repository, world, links) | {
        "merged": pull.merged_at is not None,
        "mergeable": True,
        "rebaseable": True,
        "mergeable_state": "clean",
        "merged_by": None,
        "comments": len(issue.comments),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(git.commits(name, base, pull.head_sha)),
        "additions": sum(change.added for change in changes),
        "deletions": sum(change.removed for change in changes),
        "changed_files": len(changes),
    }


def _addresses(url: str, page: str, issue_url: str) -> Json:
    return {
        "url": url,
        "issue_url": issue_url,
        "comments_url": f"{issue_url}/comments",
        "commits_url": f"{url}/commits",
        "review_comments_url": f"{url}/comments",
        "review_comment_url": url.rpartition("/")[0] + "/comments{/number}",
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
    }


def _side(ref: str, sha: str, repository: Repository, world: World, links: Links) -> Json:
    return {
        "label": f"{repository.owner}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": user_json(world.user(repository.owner), links),
        "repo": repository_json(repository, world, links, None),
    }


def file_json(change: FileChange, pull: Pull, repository: Repository, links: Links) -> Json:
    """`diff-entry`. The sha is one of the change, not of the blob; Paid reads neither."""
    base, path = links.repository(repository.full_name), quote(change.path)
    html = f"{links.html}/{repository.full_name}"
    answer: Json = {
        "sha": hashlib.sha1(change.patch.encode(), usedforsecurity=False).hexdigest(),
        "filename": change.path,
        "status": change.status,
        "additions": change.added,
        "deletions": change.removed,
        "changes": change.added + change.removed,
        "blob_url": f"{html}/blob/{pull.head_sha}/{path}",
        "raw_url": f"{html}/raw/{pull.head_sha}/{path}",
        "contents_url": f"{base}/contents/{path}?ref={pull.head_sha}",
        "patch": change.patch,
    }
    if change.previous:
        answer["previous_filename"] = change.previous
    return answer


def commit_json(commit: CommitSeen, repository: Repository, links: Links) -> Json:
    """`commit`, without people: authors of commits are names here, not accounts."""
    url = f"{links.repository(repository.full_name)}/commits/{commit.sha}"
    page = f"{links.html}/{repository.full_name}/commit/"
    base = links.repository(repository.full_name)
    person = {"name": commit.name, "email": commit.email, "date": commit.date}
    verification = {"verified": False, "reason": "unsigned", "signature": None, "payload": None}
    return {
        "url": url,
        "sha": commit.sha,
        "node_id": node_id("Commit", int(commit.sha[:8], 16)),
        "html_url": page + commit.sha,
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{base}/git/commits/{commit.sha}",
            "author": person,
            "committer": person,
            "message": commit.message,
            "comment_count": 0,
            "tree": {"sha": commit.tree, "url": f"{base}/git/trees/{commit.tree}"},
            "verification": verification | {"verified_at": None},
        },
        "author": None,
        "committer": None,
        "parents": [
            {"sha": sha, "url": f"{base}/commits/{sha}", "html_url": page + sha}
            for sha in commit.parents
        ],
    }


def ref_json(ref: str, sha: str, repository: Repository, links: Links) -> Json:
    """`git-ref`."""
    base = f"{links.repository(repository.full_name)}/git"
    return {
        "ref": ref,
        "node_id": node_id("Ref", int(sha[:8], 16)),
        "url": f"{base}/{ref}",
        "object": {"type": "commit", "sha": sha, "url": f"{base}/commits/{sha}"},
    }


def status_json(status: Status, repository: Repository, world: World, links: Links) -> Json:
    """`status`."""
    user = user_json(world.user(status.login), links)
    return {
        "url": f"{links.repository(repository.full_name)}/statuses/{status.sha}",
        "avatar_url": user["avatar_url"],
        "id": status.id,
        "node_id": node_id("Status", status.id),
        "state": status.state,
        "description": status.description,
        "target_url": status.target_url,
        "context": status.context,
        "created_at": time(status.created_at),
        "updated_at": time(status.created_at),
        "creator": user,
    }
