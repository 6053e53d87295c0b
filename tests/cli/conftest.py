"""The `paid` command against a real database, a real forge, and Temporal where it is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from paid.cli.main import run
from paid.demo.forge import Forge

NOWHERE = "127.0.0.1:1"
"""An address at which nothing answers."""


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Paid = Callable[..., Answer]


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str
) -> pytest.MonkeyPatch:
    """Nothing of the developer's own; a command finds the test's database and no Temporal."""
    for name in ("GITHUB_TOKEN", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PAID_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)
    return monkeypatch


@pytest.fixture
def paid(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Paid:
    """Runs a command in this process, with the test's environment."""

    def call(*argv: str) -> Answer:
        capsys.readouterr()
        code = run(argv)
        printed = capsys.readouterr()
        return Answer(code, printed.out, printed.err)

    return call


@dataclass(frozen=True)
class Repository:
    """acme/greeter on a forge, and who may do what with it."""

    forge: Forge
    token_file: Path
    reader_file: Path

    @property
    def api_url(self) -> str:
        return self.forge.api_url

    @property
    def url(self) -> str:
        return f"{self.api_url.removesuffix('/api/v3')}/acme/greeter"


@pytest.fixture
def greeter(tmp_path: Path) -> Iterator[Repository]:
    forge = Forge(tmp_path / "forge", port=0)
    forge.start()
    token_file, reader_file = tmp_path / "token", tmp_path / "reader"
    token_file.write_text(f"{forge.add_user('maria')}\n")
    reader_file.write_text(forge.add_user("eve"))
    forge.add_repository("acme/greeter", {"README.md": "hello"}, owner="maria")
    forge.add_repository("acme/empty", {}, owner="maria")
    forge.set_permission("acme/greeter", "eve", "read")
    forge.add_issue("acme/greeter", "Say \x1b[2Jhello", "Please.", author="maria")
    yield Repository(forge, token_file, reader_file)
    forge.stop()


@pytest.fixture
def project(paid: Paid, greeter: Repository) -> Repository:
    """acme/greeter, added."""
    added = paid(
        *("project", "add", "acme/greeter", "--api-url", greeter.api_url),
        *("--token-file", str(greeter.token_file)),
    )
    assert added.code == 0, added.err
    return greeter
