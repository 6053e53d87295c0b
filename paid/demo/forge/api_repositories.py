"""REST: people, repositories, branches, refs, statuses, rights."""

from __future__ import annotations

from typing import Any

from paid.demo.forge.calls import Answer, Call, Endpoint, paged
from paid.demo.forge.errors import ApiError, invalid, not_found
from paid.demo.forge.json_people import (
    full_user_json,
    label_json,
    permissions_json,
    repository_json,
    user_json,
)
from paid.demo.forge.json_pulls import commit_json, ref_json, status_json
from paid.demo.forge.world import Label, Repository, Status

ROLE_TO_PERMISSION = {"maintain": "write", "triage": "read"}
"""The old `permission` field knows four values; `role_name` knows all."""


def routes() -> list[tuple[str, str, Endpoint]]:
    """Method, path and endpoint."""
    repo = "/repos/{owner}/{repo}"
    return [
        ("GET", "/user", get_user),
        ("GET", "/users/{login}", get_somebody),
        ("GET", repo, get_repository),
        ("GET", f"{repo}/branches", list_branches),
        ("GET", repo + "/branches/{branch:.+}", get_branch),
        ("GET", repo + "/git/ref/{ref:.+}", get_ref),
        ("POST", f"{repo}/git/refs", create_ref),
        ("DELETE", repo + "/git/refs/{ref:.+}", delete_ref),
        ("GET", repo + "/commits/{sha:[0-9a-f]{40}}", get_commit),
        ("POST", repo + "/statuses/{sha}", create_status),
        ("GET", repo + "/commits/{sha}/statuses", list_statuses),
        ("GET", repo + "/commits/{sha}/status", combined_status),
        ("GET", repo + "/commits/{sha}/check-runs", list_check_runs),
        ("GET", repo + "/collaborators/{login}/permission", get_permission),
        ("GET", f"{repo}/labels", list_labels),
        ("POST", f"{repo}/labels", create_label),
        ("GET", repo + "/labels/{name}", get_label),
        ("PATCH", repo + "/labels/{name}", edit_label),
        ("DELETE", repo + "/labels/{name}", delete_label),
    ]


def get_user(call: Call) -> Answer:
    """Whose token this is."""
    user = call.world.user(call.person())
    return Answer(full_user_json(user, call.links, len(call.world.repositories)))


def get_somebody(call: Call) -> Answer:
    """Anybody."""
    user = call.world.users.get(call.match["login"])
    if user is None:
        raise not_found()
    return Answer(full_user_json(user, call.links, 0))


def get_repository(call: Call) -> Answer:
    """The repository, with the caller's rights."""
    return Answer(repository_json(call.repository, call.world, call.links, call.login))


def list_branches(call: Call) -> Answer:
    """Names and commits."""
    repository = call.repository
    branches = sorted(call.git.branches(repository.full_name).items())
    return paged(branches, lambda branch: _branch(call, repository, *branch))


def get_branch(call: Call) -> Answer:
    """One branch, with its commit whole."""
    repository, name = call.repository, call.match["branch"]
    sha = call.git.branches(repository.full_name).get(name)
    if sha is None:
        raise ApiError(404, "Branch not found")
    commit = commit_json(call.git.commit_seen(repository.full_name, sha), repository, call.links)
    url = f"{call.links.repository(repository.full_name)}/branches/{name}"
    html = f"{call.links.html}/{repository.full_name}/tree/{name}"
    return Answer(
        _branch(call, repository, name, sha)
        | {"commit": commit, "_links": {"self": url, "html": html}}
    )


def _branch(call: Call, repository: Repository, name: str, sha: str) -> dict[str, Any]:
    base = call.links.repository(repository.full_name)
    checks = {"enforcement_level": "off", "contexts": [], "checks": []}
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{base}/commits/{sha}"},
        "protected": name in repository.protected,
        "protection": {"enabled": name in repository.protected, "required_status_checks": checks},
        "protection_url": f"{base}/branches/{name}/protection",
    }


def get_ref(call: Call) -> Answer:
    """One ref, such as heads/main."""
    repository, ref = call.repository, call.match["ref"]
    branch = ref.removeprefix("heads/")
    sha = call.git.branches(repository.full_name).get(branch)
    if sha is None:
        raise not_found()
    return Answer(ref_json(f"refs/heads/{branch}", sha, repository, call.links))


def create_ref(call: Call) -> Answer:
    """A new branch at a commit that is there."""
    repository = call.must_push()
    ref, sha = call.text("ref"), call.text("sha")
    branch = ref.removeprefix("refs/heads/")
    if branch in call.git.branches(repository.full_name):
        raise ApiError(422, "Reference already exists")
    if not call.git.has(repository.full_name, sha):
        raise ApiError(422, "Object does not exist")
    call.git.set_branch(repository.full_name, branch, sha)
    return Answer(ref_json(ref, sha, repository, call.links), 201)


def delete_ref(call: Call) -> Answer:
    """Delete a branch."""
    repository = call.must_push()
    branch = call.match["ref"].removeprefix("heads/")
    if branch not in call.git.branches(repository.full_name):
        raise ApiError(422, "Reference does not exist")
    call.git.set_branch(repository.full_name, branch, None)
    return Answer(status=204)


def get_commit(call: Call) -> Answer:
    """One commit."""
    repository, sha = call.repository, call.match["sha"]
    if not call.git.has(repository.full_name, sha):
        raise ApiError(422, f"No commit found for SHA: {sha}")
    seen = call.git.commit_seen(repository.full_name, sha)
    return Answer(commit_json(seen, repository, call.links))


def create_status(call: Call) -> Answer:
    """Say how a commit fares."""
    repository = call.must_push()
    state = call.text("state")
    if state not in ("error", "failure", "pending", "success"):
        raise invalid("Status", "state", "custom", "State is not included in the list")
    status = Status(
        call.world.new_id(),
        call.match["sha"],
        call.person(),
        state,
        call.maybe_text("context") or "default",
        call.maybe_text("description"),
        call.maybe_text("target_url"),
    )
    repository.statuses.append(status)
    return Answer(status_json(status, repository, call.world, call.links), 201)


def list_statuses(call: Call) -> Answer:
    """All statuses of a commit, the newest first."""
    repository = call.repository
    return paged(
        list(reversed(_statuses(call, repository))),
        lambda status: status_json(status, repository, call.world, call.links),
    )


def combined_status(call: Call) -> Answer:
    """The newest status of each context, and what they come to."""
    repository = call.repository
    newest = {status.context: status for status in _statuses(call, repository)}
    states = {status.state for status in newest.values()}
    failed = states & {"error", "failure"}
    together = "failure" if failed else "success" if states == {"success"} else "pending"
    base = call.links.repository(repository.full_name)
    shown = [status_json(status, repository, call.world, call.links) for status in newest.values()]
    sha = call.match["sha"]
    return Answer(
        {
            "state": together,
            "sha": sha,
            "total_count": len(shown),
            "statuses": shown,
            "repository": repository_json(repository, call.world, call.links, call.login),
            "commit_url": f"{base}/commits/{sha}",
            "url": f"{base}/commits/{sha}/status",
        }
    )


def _statuses(call: Call, repository: Repository) -> list[Status]:
    return [status for status in repository.statuses if status.sha == call.match["sha"]]


def list_check_runs(call: Call) -> Answer:
    """There is no continuous integration here."""
    _ = call.repository
    return Answer({"total_count": 0, "check_runs": []})


def get_permission(call: Call) -> Answer:
    """What somebody may do; GitHub tells only those who may push."""
    repository = call.must_push()
    login = call.match["login"]
    user = call.world.users.get(login)
    if user is None:
        raise not_found()
    role = repository.permission(login)
    shown = user_json(user, call.links) | {"permissions": permissions_json(role)}
    return Answer(
        {
            "permission": ROLE_TO_PERMISSION.get(role, role),
            "role_name": role,
            "user": shown | {"role_name": role},
        }
    )


def list_labels(call: Call) -> Answer:
    """The repository's labels."""
    repository = call.repository
    return paged(
        list(repository.labels.values()), lambda label: label_json(label, repository, call.links)
    )


def create_label(call: Call) -> Answer:
    """A new label."""
    repository, name = call.must_triage(), call.text("name")
    if name.lower() in repository.labels:
        raise invalid("Label", "name", "already_exists")
    color = call.text("color", "ededed")
    label = Label(call.world.new_id(), name, color, call.maybe_text("description"))
    repository.labels[name.lower()] = label
    return Answer(label_json(label, repository, call.links), 201)


def get_label(call: Call) -> Answer:
    """One label."""
    repository = call.repository
    return Answer(label_json(_label(call, repository), repository, call.links))


def edit_label(call: Call) -> Answer:
    """Another colour or description."""
    repository = call.must_triage()
    label = _label(call, repository)
    label.color = call.text("color", label.color)
    label.description = call.maybe_text("description") or label.description
    return Answer(label_json(label, repository, call.links))


def delete_label(call: Call) -> Answer:
    """Away with it, also from the issues."""
    repository = call.must_triage()
    label = _label(call, repository)
    del repository.labels[label.name.lower()]
    for issue in repository.issues.values():
        issue.labels = [name for name in issue.labels if name != label.name]
    return Answer(status=204)


def _label(call: Call, repository: Repository) -> Label:
    found = repository.labels.get(call.match["name"].lower())
    if found is None:
        raise not_found()
    return found
