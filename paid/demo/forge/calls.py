"""A REST request as the endpoints see it, and what they answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paid.demo.forge.errors import ApiError, forbidden, not_found
from paid.demo.forge.git_store import GitStore
from paid.demo.forge.links import Links
from paid.demo.forge.world import MAY_PUSH, MAY_TRIAGE, Issue, Repository, Token, World

Json = dict[str, Any]
MAX_PER_PAGE = 100
DEFAULT_PER_PAGE = 30


@dataclass(frozen=True)
class Call:
    """One request: who asks (`login` of None is nobody), where, and with what."""

    world: World
    git: GitStore
    links: Links
    login: str | None
    token: Token | None
    match: Mapping[str, str]
    query: Mapping[str, str]
    body: Json

    @property
    def repository(self) -> Repository:
        """The repository in the path, if this token may see it."""
        found = self.world.repository(f"{self.match['owner']}/{self.match['repo']}")
        if found is None or found.permission(self.login) == "none":
            raise not_found()
        allowed = self.token.repositories if self.token else None
        if allowed is not None and found.full_name not in allowed:
            raise not_found()
        return found

    @property
    def issue(self) -> Issue:
        """The issue or pull request in the path."""
        repository, number = self.repository, int(self.match["number"])
        if number in repository.deleted:
            raise ApiError(410, "This issue was deleted")
        if number not in repository.issues:
            raise not_found()
        return repository.issues[number]

    def person(self) -> str:
        """Who asks; raises for nobody."""
        if self.login is None:
            raise ApiError(401, "Requires authentication")
        return self.login

    def must_triage(self) -> Repository:
        """The repository, for somebody who may set labels."""
        return self._must(MAY_TRIAGE)

    def must_push(self) -> Repository:
        """The repository, for somebody who may push."""
        return self._must(MAY_PUSH)

    def _must(self, permissions: frozenset[str]) -> Repository:
        repository = self.repository
        if repository.permission(self.person()) not in permissions:
            raise forbidden()
        return repository

    def text(self, name: str, default: str | None = None) -> str:
        """A text of the body; raises as GitHub does when it is no text."""
        value = self.body.get(name, default)
        if not isinstance(value, str):
            raise ApiError(422, f"Invalid request. {name!r} wasn't a string.")
        return value

    def maybe_text(self, name: str) -> str | None:
        """A text of the body that may be null or left out."""
        return None if self.body.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        """Yes or no; left out means no."""
        value = self.body.get(name) or False
        if not isinstance(value, bool):
            raise ApiError(422, f"Invalid request. {name!r} wasn't a boolean.")
        return value


@dataclass(frozen=True)
class Answer:
    """What an endpoint answers; `data` of None has no body."""

    data: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    items: Sequence[Any] | None = None
    render: Callable[[Any], Json] | None = None
    """`items` are paged by the gate, and only those on the page are rendered."""
    cursors: bool = False


def paged(items: Sequence[Any], render: Callable[[Any], Json], *, cursors: bool = False) -> Answer:
    """A list, of which the gate answers the page that was asked for."""
    return Answer(items=items, render=render, cursors=cursors)


Endpoint = Callable[[Call], Answer]
