"""REST: pull requests, their files and commits."""

from __future__ import annotations

from paid.demo.forge.calls import Answer, Call, Endpoint, paged
from paid.demo.forge.deeds import Deeds
from paid.demo.forge.errors import ApiError, forbidden, invalid, not_found
from paid.demo.forge.json_pulls import commit_json, file_json, full_pull_json, pull_json
from paid.demo.forge.world import MAY_PUSH, Issue, Pull, Repository


class PullEndpoints:
    """The endpoints that change something do so through `deeds`."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    def routes(self) -> list[tuple[str, str, Endpoint]]:
        """Method, path and endpoint."""
        repo = "/repos/{owner}/{repo}"
        pull = repo + "/pulls/{number:[0-9]+}"
        return [
            ("GET", f"{repo}/pulls", list_pulls),
            ("POST", f"{repo}/pulls", self.create),
            ("GET", pull, get_pull),
            ("PATCH", pull, self.edit),
            ("GET", f"{pull}/files", list_files),
            ("GET", f"{pull}/commits", list_commits),
            ("GET", f"{pull}/reviews", list_nothing),
            ("GET", f"{pull}/comments", list_nothing),
            ("GET", f"{pull}/merge", is_merged),
            ("PUT", f"{pull}/merge", refuse_merge),
        ]

    def create(self, call: Call) -> Answer:
        """Open a pull request from a branch of this repository; a second one is refused."""
        repository = call.must_push()
        title, base = call.text("title"), call.text("base")
        owner, _, branch = call.text("head").rpartition(":")
        branches = call.git.branches(repository.full_name)
        if owner not in ("", repository.owner) or branch not in branches:
            raise invalid("PullRequest", "head", "invalid")
        if base not in branches:
            raise invalid("PullRequest", "base", "invalid")
        _check_new(call, repository, branch, base, branches)
        body, login = call.maybe_text("body"), call.person()
        draft = call.flag("draft")
        number = call.world.new_id()
        pull = Pull(number, branch, base, branches[branch], branches[base], draft)
        issue = self._deeds.open_pull(repository, login, title, body, pull)
        return Answer(_full(call, repository, issue, pull), 201)

    def edit(self, call: Call) -> Answer:
        """Change title, body or state."""
        repository = call.repository
        issue, pull = _pull(call)
        login = call.person()
        if login != issue.login and repository.permission(login) not in MAY_PUSH:
            raise forbidden()
        title, body = call.maybe_text("title"), call.maybe_text("body")
        if title is not None or body is not None:
            self._deeds.edit(repository, issue, login, title=title, body=body)
        if call.body.get("state") in ("open", "closed"):
            self._deeds.set_state(repository, issue, login, call.body["state"])
        return Answer(_full(call, repository, issue, pull))


def _check_new(
    call: Call, repository: Repository, branch: str, base: str, branches: dict[str, str]
) -> None:
    for issue in repository.issues.values():
        pull = issue.pull
        if pull and issue.state == "open" and (pull.head_ref, pull.base_ref) == (branch, base):
            message = f"A pull request already exists for {repository.owner}:{branch}."
            raise invalid("PullRequest", "head", "custom", message)
    if not call.git.commits(repository.full_name, branches[base], branches[branch]):
        message = f"No commits between {base} and {branch}"
        raise invalid("PullRequest", "head", "custom", message)


def list_pulls(call: Call) -> Answer:
    """Filtered by state, head (OWNER:BRANCH) and base; the newest first."""
    repository = call.repository
    state = call.query.get("state", "open")
    owner, _, branch = call.query.get("head", "").rpartition(":")
    found = [
        (issue, issue.pull)
        for issue in repository.issues.values()
        if issue.pull
        and state in ("all", issue.state)
        and (not owner or (owner, branch) == (repository.owner, issue.pull.head_ref))
        and call.query.get("base", issue.pull.base_ref) == issue.pull.base_ref
    ]
    if call.query.get("direction", "desc") == "desc":
        found.reverse()
    return paged(
        found, lambda pair: pull_json(pair[0], pair[1], repository, call.world, call.links)
    )


def get_pull(call: Call) -> Answer:
    """One pull request, with its figures."""
    return Answer(_full(call, call.repository, *_pull(call)))


def list_files(call: Call) -> Answer:
    """The changed files, each with its patch."""
    repository = call.repository
    _, pull = _pull(call)
    base = call.git.merge_base(repository.full_name, pull.base_sha, pull.head_sha)
    changes = call.git.changes(repository.full_name, base, pull.head_sha)
    return paged(changes, lambda change: file_json(change, pull, repository, call.links))


def list_commits(call: Call) -> Answer:
    """The commits, oldest first."""
    repository = call.repository
    _, pull = _pull(call)
    commits = call.git.commits(repository.full_name, pull.base_sha, pull.head_sha)
    return paged(commits, lambda commit: commit_json(commit, repository, call.links))


def list_nothing(call: Call) -> Answer:
    """Nobody reviews here yet."""
    _pull(call)
    return paged([], lambda entry: entry)


def is_merged(call: Call) -> Answer:
    """204 when merged, else 404."""
    if _pull(call)[1].merged_at is None:
        raise not_found()
    return Answer(status=204)


def refuse_merge(call: Call) -> Answer:
    """Merging is a person's decision; the demo's forge leaves it out, and tests see the try."""
    _pull(call)
    raise ApiError(405, "Pull Request is not mergeable")


def _pull(call: Call) -> tuple[Issue, Pull]:
    issue = call.issue
    if issue.pull is None:
        raise not_found()
    return issue, issue.pull


def _full(call: Call, repository: Repository, issue: Issue, pull: Pull) -> dict[str, object]:
    return full_pull_json(issue, pull, repository, call.world, call.links, call.git)
