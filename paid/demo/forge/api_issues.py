"""REST: issues, their labels, comments, events and timeline."""

from __future__ import annotations

from datetime import UTC, datetime

from paid.demo.forge.calls import Answer, Call, Endpoint, paged
from paid.demo.forge.deeds import Deeds
from paid.demo.forge.errors import ApiError, forbidden, invalid, not_found
from paid.demo.forge.json_issues import (
    comment_json,
    event_json,
    issue_json,
    timeline_comment_json,
)
from paid.demo.forge.json_people import label_json
from paid.demo.forge.world import MAY_TRIAGE, Comment, Issue, IssueEvent, Repository

TITLE_CHARACTERS = 256
BODY_CHARACTERS = 65536
"""GitHub's own limits."""


class IssueEndpoints:
    """The endpoints that change something do so through `deeds`."""

    def __init__(self, deeds: Deeds) -> None:
        self._deeds = deeds

    def routes(self) -> list[tuple[str, str, Endpoint]]:
        """Method, path and endpoint."""
        repo = "/repos/{owner}/{repo}"
        issue = repo + "/issues/{number:[0-9]+}"
        return [
            ("GET", f"{repo}/issues", list_issues),
            ("POST", f"{repo}/issues", self.create),
            ("GET", f"{repo}/issues/comments", list_all_comments),
            ("GET", repo + "/issues/comments/{comment:[0-9]+}", get_comment),
            ("PATCH", repo + "/issues/comments/{comment:[0-9]+}", self.edit_comment),
            ("DELETE", repo + "/issues/comments/{comment:[0-9]+}", delete_comment),
            ("GET", issue, get_issue),
            ("PATCH", issue, self.edit),
            ("GET", f"{issue}/comments", list_comments),
            ("POST", f"{issue}/comments", self.create_comment),
            ("GET", f"{issue}/events", list_events),
            ("GET", f"{issue}/timeline", list_timeline),
            ("GET", f"{issue}/labels", list_labels),
            ("POST", f"{issue}/labels", self.add_labels),
            ("PUT", f"{issue}/labels", self.set_labels),
            ("DELETE", f"{issue}/labels", self.clear_labels),
            ("DELETE", issue + "/labels/{name}", self.remove_label),
        ]

    def create(self, call: Call) -> Answer:
        """Open an issue; labels of people without the right are dropped silently, as on GitHub."""
        repository, login = call.repository, call.person()
        title, body = call.text("title"), call.maybe_text("body")
        _check_texts(title, body)
        may = repository.permission(login) in MAY_TRIAGE
        labels = _names(call) if may and "labels" in call.body else []
        issue = self._deeds.open_issue(repository, login, title, body, labels)
        return Answer(_issue(call, issue), 201)

    def edit(self, call: Call) -> Answer:
        """Change title, body, state or labels."""
        repository, issue, login = call.repository, call.issue, call.person()
        if issue.login != login and repository.permission(login) not in MAY_TRIAGE:
            raise forbidden()
        title, body = call.maybe_text("title"), call.maybe_text("body")
        _check_texts(title if title is not None else issue.title, body)
        if title is not None or body is not None:
            self._deeds.edit(repository, issue, login, title=title, body=body)
        if "state" in call.body:
            if call.body["state"] not in ("open", "closed"):
                raise invalid("Issue", "state", "invalid")
            self._deeds.set_state(repository, issue, login, call.body["state"])
        if "labels" in call.body:
            self._deeds.set_labels(repository, issue, login, _names(call))
        return Answer(_issue(call, issue))

    def create_comment(self, call: Call) -> Answer:
        """Anybody who can read may comment."""
        repository, issue, body = call.repository, call.issue, call.text("body")
        if not body.strip() or len(body) > BODY_CHARACTERS:
            raise invalid("IssueComment", "body", "unprocessable", "Body is too long or blank")
        comment = self._deeds.comment(repository, issue, call.person(), body)
        return Answer(_comment(call, issue, comment), 201)

    def edit_comment(self, call: Call) -> Answer:
        """The author may, and whoever may push."""
        repository = call.repository
        issue, comment = _find_comment(call, repository)
        if comment.login != call.person():
            call.must_push()
        body = call.text("body")
        if len(body) > BODY_CHARACTERS:
            raise invalid("IssueComment", "body", "unprocessable", "Body is too long")
        self._deeds.edit_comment(repository, issue, comment, call.person(), body)
        return Answer(_comment(call, issue, comment))

    def add_labels(self, call: Call) -> Answer:
        """Set labels; unknown ones are made."""
        repository = call.must_triage()
        self._deeds.add_labels(repository, call.issue, call.person(), _names(call))
        return list_labels(call)

    def set_labels(self, call: Call) -> Answer:
        """Make exactly these the labels."""
        repository = call.must_triage()
        self._deeds.set_labels(repository, call.issue, call.person(), _names(call))
        return list_labels(call)

    def clear_labels(self, call: Call) -> Answer:
        """Take all labels away."""
        self._deeds.set_labels(call.must_triage(), call.issue, call.person(), [])
        return Answer(status=204)

    def remove_label(self, call: Call) -> Answer:
        """Take one label away; 404 when it was not set."""
        repository, name = call.must_triage(), call.match["name"]
        if name.lower() not in repository.labels:
            raise ApiError(404, "Label does not exist")
        if not self._deeds.remove_label(repository, call.issue, call.person(), name):
            raise ApiError(404, "Label does not exist")
        return list_labels(call)


def list_issues(call: Call) -> Answer:
    """Filtered by state, labels (all of them), creator and since; sorted; pull requests too."""
    if not call.repository.has_issues:
        raise ApiError(410, "Issues are disabled for this repo")
    issues = [issue for issue in call.repository.issues.values() if _wanted(call, issue)]
    field = {"updated": "updated_at", "comments": "comments"}.get(call.query.get("sort", ""), "")
    if field == "comments":
        issues.sort(key=lambda issue: len(issue.comments))
    elif field == "updated_at":
        issues.sort(key=lambda issue: (issue.updated_at, issue.number))
    else:
        issues.sort(key=lambda issue: issue.number)
    if call.query.get("direction", "desc") == "desc":
        issues.reverse()
    return paged(issues, lambda issue: _issue(call, issue), cursors=True)


def _wanted(call: Call, issue: Issue) -> bool:
    state = call.query.get("state", "open")
    labels = [name.lower() for name in call.query.get("labels", "").split(",") if name]
    have = {name.lower() for name in issue.labels}
    creator = call.query.get("creator", issue.login)
    since = _moment(call.query["since"]) if "since" in call.query else None
    return (
        state in ("all", issue.state)
        and all(name in have for name in labels)
        and creator == issue.login
        and (since is None or issue.updated_at >= since)
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ApiError(422, "Invalid since parameter") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def get_issue(call: Call) -> Answer:
    """One issue."""
    return Answer(_issue(call, call.issue))


def list_comments(call: Call) -> Answer:
    """Comments, oldest first."""
    issue = call.issue
    since = _moment(call.query["since"]) if "since" in call.query else None
    comments = [c for c in issue.comments if since is None or c.updated_at >= since]
    return paged(comments, lambda comment: _comment(call, issue, comment))


def list_all_comments(call: Call) -> Answer:
    """The comments of all issues."""
    pairs = [(i, comment) for i in call.repository.issues.values() for comment in i.comments]
    return paged(pairs, lambda pair: _comment(call, *pair))


def get_comment(call: Call) -> Answer:
    """One comment."""
    return Answer(_comment(call, *_find_comment(call, call.repository)))


def delete_comment(call: Call) -> Answer:
    """The author may, and whoever may push."""
    issue, comment = _find_comment(call, call.repository)
    if comment.login != call.person():
        call.must_push()
    issue.comments.remove(comment)
    return Answer(status=204)


def list_events(call: Call) -> Answer:
    """What happened to the issue, oldest first."""
    return paged(call.issue.events, lambda event: _event(call, event))


def list_timeline(call: Call) -> Answer:
    """Events and comments together, oldest first."""
    issue = call.issue
    mixed: list[IssueEvent | Comment] = [*issue.events, *issue.comments]
    mixed.sort(key=lambda entry: (entry.created_at, entry.id))

    def render(entry: IssueEvent | Comment) -> dict[str, object]:
        if isinstance(entry, IssueEvent):
            return _event(call, entry)
        return timeline_comment_json(entry, issue, call.repository, call.world, call.links)

    return paged(mixed, render)


def list_labels(call: Call) -> Answer:
    """The issue's labels."""
    repository = call.repository
    labels = [call.world.label(repository, name) for name in call.issue.labels]
    return paged(labels, lambda label: label_json(label, repository, call.links))


def _find_comment(call: Call, repository: Repository) -> tuple[Issue, Comment]:
    wanted = int(call.match["comment"])
    for issue in repository.issues.values():
        for comment in issue.comments:
            if comment.id == wanted:
                return issue, comment
    raise not_found()


def _check_texts(title: str, body: str | None) -> None:
    if not title.strip():
        raise invalid("Issue", "title", "missing_field")
    if len(title) > TITLE_CHARACTERS:
        raise invalid("Issue", "title", "custom", "title is too long (maximum is 256 characters)")
    if body is not None and len(body) > BODY_CHARACTERS:
        raise invalid("Issue", "body", "custom", "body is too long (maximum is 65536 characters)")


def _names(call: Call) -> list[str]:
    """Label names: texts, or objects with a name, in `labels` or as the body itself."""
    given = call.body.get("labels", [])
    if not isinstance(given, list):
        raise ApiError(422, "Invalid request. 'labels' wasn't an array.")
    names = [entry.get("name") if isinstance(entry, dict) else entry for entry in given]
    texts = [name for name in names if isinstance(name, str) and name]
    if len(texts) != len(names):
        raise invalid("Label", "name", "missing_field")
    return texts


def _issue(call: Call, issue: Issue) -> dict[str, object]:
    return issue_json(issue, call.repository, call.world, call.links)


def _comment(call: Call, issue: Issue, comment: Comment) -> dict[str, object]:
    return comment_json(comment, issue, call.repository, call.world, call.links)


def _event(call: Call, event: IssueEvent) -> dict[str, object]:
    return event_json(event, call.repository, call.world, call.links)
