"""People and repositories, as GitHub writes them in JSON."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any
from urllib.parse import quote

from paid.demo.forge.links import Links
from paid.demo.forge.world import MAY_PUSH, MAY_TRIAGE, Label, Permission, Repository, User, World

Json = dict[str, Any]
REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
USER_LINKS = {
    "events_url": "/events{/privacy}",
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "organizations_url": "/orgs",
    "received_events_url": "/received_events",
    "repos_url": "/repos",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
}


def time(moment: datetime) -> str:
    """A time as GitHub writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_time(moment: datetime | None) -> str | None:
    """A time, or null."""
    return None if moment is None else time(moment)


def node_id(kind: str, number: int) -> str:
    """An opaque name, as GraphQL would know it."""
    return base64.b64encode(f"{kind}{number}".encode()).decode()


def user_json(user: User, links: Links) -> Json:
    """`simple-user`."""
    url = links.user(user.login)
    return {
        "login": user.login,
        "id": user.id,
        "node_id": node_id("User", user.id),
        "avatar_url": f"{links.html}/avatars/{user.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{links.html}/{user.login}",
        "type": user.kind,
        "user_view_type": "public",
        "site_admin": False,
    } | {name: url + tail for name, tail in USER_LINKS.items()}


def full_user_json(user: User, links: Links, repositories: int) -> Json:
    """`public-user`, with what a person sees of itself (`private-user`)."""
    nothing = dict.fromkeys(("bio", "blog", "company", "email", "hireable", "location", "name"))
    zeros = dict.fromkeys(
        (
            "followers",
            "following",
            "public_gists",
            "collaborators",
            "disk_usage",
            "owned_private_repos",
            "private_gists",
            "total_private_repos",
        ),
        0,
    )
    return (
        user_json(user, links)
        | nothing
        | zeros
        | {
            "public_repos": repositories,
            "two_factor_authentication": True,
            "created_at": time(user.created_at),
            "updated_at": time(user.created_at),
        }
    )


def permissions_json(permission: Permission) -> Json:
    """The rights, one by one."""
    return {
        "admin": permission == "admin",
        "maintain": permission in ("admin", "maintain"),
        "push": permission in MAY_PUSH,
        "triage": permission in MAY_TRIAGE,
        "pull": permission != "none",
    }


def repository_json(repository: Repository, world: World, links: Links, login: str | None) -> Json:
    """`full-repository`, as `login` sees it."""
    url = links.repository(repository.full_name)
    html = f"{links.html}/{repository.full_name}"
    waiting = sum(1 for issue in repository.issues.values() if issue.state == "open")
    fields: Json = {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "owner": user_json(world.user(repository.owner), links),
        "private": repository.private,
        "visibility": "private" if repository.private else "public",
        "html_url": html,
        "description": None,
        "fork": False,
        "url": url,
        "clone_url": f"{html}.git",
        "git_url": f"{html}.git",
        "ssh_url": f"{html}.git",
        "svn_url": html,
        "default_branch": repository.default_branch,
        "open_issues": waiting,
        "open_issues_count": waiting,
        "permissions": permissions_json(repository.permission(login)),
        "archived": repository.archived,
        "has_issues": repository.has_issues,
        "has_pull_requests": repository.has_pull_requests,
        "created_at": time(repository.created_at),
        "updated_at": time(repository.pushed_at),
        "pushed_at": time(repository.pushed_at),
    }
    tails = {name: url + tail for name, tail in REPOSITORY_LINKS.items()}
    return fields | tails | _quiet_fields()


def _quiet_fields() -> Json:
    """What GitHub tells about every repository and Paid never asks."""
    counts = ("forks", "stargazers", "watchers", "network", "subscribers")
    return (
        {f"{name}_count": 0 for name in counts}
        | {"forks": 0, "watchers": 0, "size": 1, "disabled": False, "is_template": False}
        | {f"has_{name}": False for name in ("projects", "wiki", "pages", "discussions")}
        | {"has_downloads": False, "allow_forking": True}
        | {"homepage": None, "language": "Python", "mirror_url": None, "license": None}
        | {"topics": [], "web_commit_signoff_required": False}
    )


def label_json(label: Label, repository: Repository, links: Links) -> Json:
    """`label`."""
    return {
        "id": label.id,
        "node_id": node_id("Label", label.id),
        "url": f"{links.repository(repository.full_name)}/labels/{quote(label.name, safe='')}",
        "name": label.name,
        "description": label.description,
        "color": label.color,
        "default": False,
    }
