"""What people do to issues: each deed changes the world, writes its event and tells the hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from paid.demo.forge.world import (
    BodyEdit,
    Comment,
    Issue,
    IssueEvent,
    Pull,
    Repository,
    World,
    now,
)


@dataclass(frozen=True)
class News:
    """Something that a webhook tells. `event` is GitHub's name for it, `login` who did it."""

    event: str
    action: str
    repository: Repository
    issue: Issue
    login: str
    label: str | None = None
    comment: Comment | None = None


@dataclass
class Deeds:
    """Deeds on one world; `listeners` hear of each, while the world's lock is held."""

    world: World
    listeners: list[Callable[[News], None]] = field(default_factory=list)

    def open_issue(
        self,
        repository: Repository,
        login: str,
        title: str,
        body: str | None,
        labels: Iterable[str] = (),
    ) -> Issue:
        """A new issue; its labels are set by the author."""
        issue = self._new_issue(repository, login, title, body)
        self._tell("issues", "opened", repository, issue, login)
        self.add_labels(repository, issue, login, labels)
        return issue

    def _new_issue(self, repository: Repository, login: str, title: str, body: str | None) -> Issue:
        self.world.user(login)
        number = max([*repository.issues, *repository.deleted], default=0) + 1
        issue = Issue(self.world.new_id(), number, title, body, login)
        repository.issues[number] = issue
        return issue

    def open_pull(
        self, repository: Repository, login: str, title: str, body: str | None, pull: Pull
    ) -> Issue:
        """A new pull request."""
        issue = self._new_issue(repository, login, title, body)
        issue.pull = pull
        self.tell_pull(repository, issue, login, "opened")
        return issue

    def tell_pull(self, repository: Repository, issue: Issue, login: str, action: str) -> None:
        """Tell the hooks about a pull request."""
        self._tell("pull_request", action, repository, issue, login)

    def add_labels(
        self, repository: Repository, issue: Issue, login: str, names: Iterable[str]
    ) -> None:
        """Set labels; one that is set already leaves no event."""
        for name in names:
            label = self.world.label(repository, name)
            if label.name not in issue.labels:
                issue.labels.append(label.name)
                self._note(issue, login, "labeled", label.name, label.color)
                self._tell(_kind(issue), "labeled", repository, issue, login, label=label.name)

    def remove_label(self, repository: Repository, issue: Issue, login: str, name: str) -> bool:
        """Take a label away; False when it was not set."""
        label = self.world.label(repository, name)
        if label.name not in issue.labels:
            return False
        issue.labels.remove(label.name)
        self._note(issue, login, "unlabeled", label.name, label.color)
        self._tell(_kind(issue), "unlabeled", repository, issue, login, label=label.name)
        return True

    def set_labels(
        self, repository: Repository, issue: Issue, login: str, names: Iterable[str]
    ) -> None:
        """Make exactly these the labels."""
        wanted = [self.world.label(repository, name).name for name in names]
        for name in [name for name in issue.labels if name not in wanted]:
            self.remove_label(repository, issue, login, name)
        self.add_labels(repository, issue, login, wanted)

    def comment(self, repository: Repository, issue: Issue, login: str, body: str) -> Comment:
        """Say something."""
        self.world.user(login)
        comment = Comment(self.world.new_id(), login, body)
        issue.comments.append(comment)
        issue.updated_at = now()
        self._tell("issue_comment", "created", repository, issue, login, comment=comment)
        return comment

    def edit_comment(
        self, repository: Repository, issue: Issue, comment: Comment, login: str, body: str
    ) -> None:
        """Say it differently."""
        comment.body = body
        comment.updated_at = issue.updated_at = now()
        self._tell("issue_comment", "edited", repository, issue, login, comment=comment)

    def edit(
        self,
        repository: Repository,
        issue: Issue,
        login: str,
        *,
        title: str | None = None,
        body: str | None = None,
    ) -> None:
        """Change title or body; None leaves it."""
        if title is not None and title != issue.title:
            event = self._note(issue, login, "renamed")
            event.rename = (issue.title, title)
            issue.title = title
        if body is not None and body != issue.body:
            issue.body = body
            issue.edits.append(BodyEdit(login))
        issue.updated_at = now()
        self._tell(_kind(issue), "edited", repository, issue, login)

    def set_state(
        self, repository: Repository, issue: Issue, login: str, state: Literal["open", "closed"]
    ) -> None:
        """Close or reopen."""
        if issue.state == state:
            return
        issue.state = state
        issue.closed_at = now() if state == "closed" else None
        verb = "closed" if state == "closed" else "reopened"
        self._note(issue, login, verb)
        self._tell(_kind(issue), verb, repository, issue, login)

    def delete(self, repository: Repository, issue: Issue, login: str) -> None:
        """Remove an issue for good; asking for it is answered with 410 from now on."""
        del repository.issues[issue.number]
        repository.deleted.add(issue.number)
        self._tell("issues", "deleted", repository, issue, login)

    def _note(
        self, issue: Issue, login: str, event: str, label: str | None = None, color: str = ""
    ) -> IssueEvent:
        self.world.user(login)
        noted = IssueEvent(self.world.new_id(), login, event, label, color)
        issue.events.append(noted)
        issue.updated_at = now()
        return noted

    def _tell(
        self,
        event: str,
        action: str,
        repository: Repository,
        issue: Issue,
        login: str,
        *,
        label: str | None = None,
        comment: Comment | None = None,
    ) -> None:
        news = News(event, action, repository, issue, login, label, comment)
        for listener in self.listeners:
            listener(news)


def _kind(issue: Issue) -> str:
    return "issues" if issue.pull is None else "pull_request"
