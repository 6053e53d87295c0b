"""What a test or the demo does to the forge by hand, beside what comes over HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paid.demo.forge.deeds import Deeds
from paid.demo.forge.git_store import GitStore
from paid.demo.forge.links import Links
from paid.demo.forge.world import Comment, Issue, Label, Permission, Pull, Repository, World, now
from paid.errors import NotFoundError


@dataclass(frozen=True)
class PullSeen:
    """A pull request as a test wants to see it."""

    number: int
    title: str
    body: str
    head_ref: str
    head_sha: str
    base_ref: str
    draft: bool
    state: str
    login: str
    html_url: str


class Hands:
    """Deeds by name and number; each is done with the world's lock held."""

    def __init__(self, root: Path) -> None:
        self.world = World()
        self.git = GitStore(root)
        self.deeds = Deeds(self.world)

    @property
    def url(self) -> str:
        """Where people look."""
        raise NotImplementedError

    # People and repositories

    def add_user(self, login: str, repositories: Iterable[str] | None = None) -> str:
        """A person's token; `repositories` limits it to some."""
        with self.world.lock:
            limited = None if repositories is None else frozenset(repositories)
            return self.world.new_token(login, limited)

    def limit_token(self, token: str, rights: Mapping[str, str] | None = None) -> None:
        """Make it a fine-grained one, with these rights and Metadata: read, which all have."""
        self.world.tokens[token].rights = {"metadata": "read", **(rights or {})}

    def let_expire(self, token: str, expires: str | None) -> None:
        """Say with each answer when the token ends, as in `2026-12-31 23:59:59 UTC`."""
        self.world.tokens[token].expires = expires

    def revoke_token(self, token: str) -> None:
        """Answer 401 to this token from now on."""
        self.world.tokens[token].revoked = True

    def add_repository(
        self,
        name: str,
        files: Mapping[str, str],
        owner: str | None = None,
        default_branch: str = "main",
        *,
        private: bool = False,
    ) -> int:
        """A repository with one commit, or an empty one; `owner` is its first maintainer."""
        folder, _, short = name.partition("/")
        with self.world.lock:
            self.git.create(name, default_branch, files)
            repository = Repository(self.world.new_id(), folder, short, default_branch, private)
            self.world.user(folder)
            repository.permissions[owner or folder] = "admin"
            self.world.user(owner or folder)
            self.world.repositories[name.lower()] = repository
            return repository.id

    def delete_repository(self, name: str) -> None:
        """Answer 404 for it from now on."""
        with self.world.lock:
            self._repository(name)
            del self.world.repositories[name.lower()]

    def rename_repository(self, name: str, new: str) -> None:
        """Call it something else, maybe with another owner; the old name redirects from now on."""
        with self.world.lock:
            repository = self._repository(name)
            self.git.rename(name, new)
            del self.world.repositories[name.lower()]
            repository.owner, _, repository.name = new.partition("/")
            self.world.user(repository.owner)
            self.world.repositories[new.lower()] = repository
            self.world.renamed[name.lower()] = new

    def set_permission(self, name: str, login: str, permission: Permission) -> None:
        """What somebody may do."""
        with self.world.lock:
            self.world.user(login)
            self._repository(name).permissions[login] = permission

    # Issues

    def add_issue(
        self, name: str, title: str, body: str | None, author: str, labels: Iterable[str] = ()
    ) -> int:
        """A new issue's number."""
        with self.world.lock:
            repository = self._repository(name)
            return self.deeds.open_issue(repository, author, title, body, labels).number

    def issue(self, name: str, number: int) -> Issue:
        """The issue itself: labels, comments, events, state. Look, don't touch."""
        found = self._repository(name).issues.get(number)
        if found is None:
            raise NotFoundError(f"The forge has no issue {name}#{number}.")
        return found

    def add_label(self, name: str, number: int, label: str, actor: str) -> None:
        """Set a label, as `actor`."""
        with self.world.lock:
            repository = self._repository(name)
            self.deeds.add_labels(repository, self.issue(name, number), actor, [label])

    def remove_label(self, name: str, number: int, label: str, actor: str) -> None:
        """Take a label away, as `actor`."""
        with self.world.lock:
            repository = self._repository(name)
            self.deeds.remove_label(repository, self.issue(name, number), actor, label)

    def edit_issue(
        self,
        name: str,
        number: int,
        actor: str,
        *,
        title: str | None = None,
        body: str | None = None,
    ) -> None:
        """Change the text, as `actor`."""
        with self.world.lock:
            issue = self.issue(name, number)
            self.deeds.edit(self._repository(name), issue, actor, title=title, body=body)

    def delete_edit(self, name: str, number: int, actor: str) -> None:
        """Take the newest change of the text out of the history that people see, as `actor`."""
        with self.world.lock:
            edit = self.issue(name, number).edits[-1]
            edit.deleted_by, edit.deleted_at = actor, now()

    def set_state(
        self, name: str, number: int, actor: str, state: Literal["open", "closed"]
    ) -> None:
        """Close or reopen an issue or a pull request."""
        with self.world.lock:
            self.deeds.set_state(self._repository(name), self.issue(name, number), actor, state)

    def close_issue(self, name: str, number: int, actor: str) -> None:
        """Close an issue."""
        self.set_state(name, number, actor, "closed")

    def delete_issue(self, name: str, number: int, actor: str) -> None:
        """Delete an issue for good."""
        with self.world.lock:
            self.deeds.delete(self._repository(name), self.issue(name, number), actor)

    def transfer_issue(self, name: str, number: int, to: str) -> int:
        """Move an issue to another repository; its old address redirects from now on.

        Its labels stay behind, as on GitHub where the other repository has none of the names.
        """
        with self.world.lock:
            issue, other = self.issue(name, number), self._repository(to)
            del self._repository(name).issues[number]
            self._repository(name).deleted.add(number)
            issue.number = max([*other.issues, *other.deleted], default=0) + 1
            issue.labels = []
            other.issues[issue.number] = issue
            self.world.transferred[name.lower(), number] = (to, issue.number)
            return issue.number

    def comment(self, name: str, number: int, actor: str, body: str) -> Comment:
        """Say something on an issue."""
        with self.world.lock:
            issue = self.issue(name, number)
            return self.deeds.comment(self._repository(name), issue, actor, body)

    def labels(self, name: str) -> list[Label]:
        """The repository's labels."""
        return list(self._repository(name).labels.values())

    # Code

    def open_pull(
        self, name: str, actor: str, title: str, body: str, branch: str, base: str
    ) -> int:
        """A pull request by somebody; answers its number."""
        with self.world.lock:
            heads = self.git.branches(name)
            pull = Pull(self.world.new_id(), branch, base, heads[branch], heads[base])
            return self.deeds.open_pull(self._repository(name), actor, title, body, pull).number

    def pulls(self, name: str) -> list[PullSeen]:
        """All pull requests, oldest first."""
        with self.world.lock:
            found = self._repository(name).issues.values()
            return [self._seen(name, issue) for issue in found if issue.pull is not None]

    def branches(self, name: str) -> dict[str, str]:
        """Branch names and their commits."""
        return self.git.branches(name)

    def git_dir(self, name: str) -> Path:
        """The bare repository."""
        return self.git.folder(name)

    def push_file(self, name: str, branch: str, path: str, text: str) -> str:
        """A commit by somebody else; answers its sha."""
        return self.git.commit(name, branch, {path: text}, f"Change {path}")

    def rewrite_branch(self, name: str, branch: str, files: Mapping[str, str]) -> str:
        """A forced push: the branch starts anew."""
        return self.git.commit(name, branch, files, "Rewritten", orphan=True)

    def delete_branch(self, name: str, branch: str) -> None:
        """Delete a branch."""
        self.git.set_branch(name, branch, None)

    def rename_default_branch(self, name: str, branch: str) -> None:
        """Call the default branch something else, as its settings page does."""
        with self.world.lock:
            repository = self._repository(name)
            head = self.git.branches(name)[repository.default_branch]
            self.git.set_branch(name, branch, head)
            self.git.set_branch(name, repository.default_branch, None)
            repository.default_branch = branch

    def protect(self, name: str, branch: str) -> None:
        """Refuse pushes to a branch from now on."""
        with self.world.lock:
            repository = self._repository(name)
            repository.protected.add(branch)
            self.git.protect(name, repository.protected)

    def reject_pushes(self, name: str, message: str | None) -> None:
        """Refuse every push with a message; None lets them through again."""
        self.git.reject_pushes(name, message)

    def _repository(self, name: str) -> Repository:
        found = self.world.repository(name)
        if found is None:
            raise NotFoundError(f"The forge has no repository {name}.")
        return found

    def _seen(self, name: str, issue: Issue) -> PullSeen:
        pull = issue.pull
        if pull is None:
            raise NotFoundError(f"{name}#{issue.number} is no pull request.")
        address = Links(self.url, self.url).issue_page(name, issue.number, pull=True)
        return PullSeen(
            issue.number,
            issue.title,
            issue.body or "",
            pull.head_ref,
            pull.head_sha,
            pull.base_ref,
            pull.draft,
            issue.state,
            issue.login,
            address,
        )
