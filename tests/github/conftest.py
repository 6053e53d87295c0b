"""Two GitHubs behind one small stage: the real client on the forge, and the stub in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from paid.demo.forge import Forge
from paid.github.client import GitHub
from paid.github.fake import FakeForge, FakeGitHub
from paid.github.words import GitHubPort
from tests.waiting import HANGS_SECONDS

REPO = "acme/greeter"


class Stage(Protocol):
    """A repository of maria's, and what happens in it behind the client's back."""

    def as_(self, login: str) -> GitHubPort: ...

    def revoked(self) -> GitHubPort: ...

    def issue(self, author: str = "maria") -> int: ...

    def close_issue(self, number: int) -> None: ...

    def allow(self, login: str, permission: str) -> None: ...

    def branch(self, name: str) -> None: ...

    def empty_repository(self, name: str) -> None: ...


class ForgeStage:
    def __init__(self, folder: Path) -> None:
        self.forge = Forge(folder)
        self.forge.start()
        self.forge.add_repository(REPO, {"README.md": "hello\n"}, owner="maria")
        self._clients: list[GitHub] = []

    def as_(self, login: str) -> GitHub:
        github = GitHub(
            self.forge.add_user(login), self.forge.api_url, timeout_seconds=HANGS_SECONDS
        )
        self._clients.append(github)
        return github

    def revoked(self) -> GitHub:
        token = self.forge.add_user("maria")
        self.forge.revoke_token(token)
        self._clients.append(GitHub(token, self.forge.api_url))
        return self._clients[-1]

    def issue(self, author: str = "maria") -> int:
        return self.forge.add_issue(REPO, "Greet", "Say hello.", author)

    def close_issue(self, number: int) -> None:
        self.forge.close_issue(REPO, number, "maria")

    def allow(self, login: str, permission: str) -> None:
        self.forge.set_permission(REPO, login, permission)  # type: ignore[arg-type]

    def branch(self, name: str) -> None:
        self.forge.push_file(REPO, name, "new.txt", "new\n")

    def empty_repository(self, name: str) -> None:
        self.forge.add_repository(name, {}, owner="maria")

    def stop(self) -> None:
        for client in self._clients:
            client.close()
        self.forge.stop()


class FakeStage:
    def __init__(self) -> None:
        self.forge = FakeForge()
        self.forge.add_repository(REPO, "maria")

    def as_(self, login: str) -> FakeGitHub:
        return FakeGitHub(self.forge, login)

    def revoked(self) -> FakeGitHub:
        return FakeGitHub(self.forge, None)

    def issue(self, author: str = "maria") -> int:
        return self.forge.add_issue(REPO, "Greet", "Say hello.", author)

    def close_issue(self, number: int) -> None:
        self.forge.set_state(REPO, number, "closed")

    def allow(self, login: str, permission: str) -> None:
        self.forge.repositories[REPO].permissions[login] = permission

    def branch(self, name: str) -> None:
        self.forge.repositories[REPO].branches[name] = "1" * 40

    def empty_repository(self, name: str) -> None:
        self.forge.add_repository(name, "maria", empty=True)


@pytest.fixture(params=["forge", "fake"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    if request.param == "fake":
        yield FakeStage()
        return
    made = ForgeStage(tmp_path / "forge")
    yield made
    made.stop()


@pytest.fixture
def forge_stage(tmp_path: Path) -> Iterator[ForgeStage]:
    made = ForgeStage(tmp_path / "forge")
    yield made
    made.stop()
