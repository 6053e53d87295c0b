"""Which project an issue's address belongs to, on every kind of GitHub."""

from __future__ import annotations

from pathlib import Path

import pytest

from paid.demo.forge import Fault
from paid.errors import NotFoundError
from paid.run_request import project_of, read_address
from paid.store import projects
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.projects import NewProject
from tests.cli.conftest import Paid, Repository

APIS = {
    "github.com": "https://api.github.com",
    "acme.ghe.com": "https://api.acme.ghe.com",
    "github.example.org:8443": "https://github.example.org:8443/api/v3",
    "api.example.org": "https://api.example.org/api/v3",
}


@pytest.mark.parametrize("server", APIS)
def test_an_issues_address_leads_to_the_project_on_its_server(
    server: str, database: Database, tmp_path: Path
) -> None:
    box = SecretBox(tmp_path / "secret.key")
    with database.session() as session:
        for number, (host, api_url) in enumerate(APIS.items()):
            clone_url = f"https://{host}/acme/app.git"
            new = NewProject(api_url, "acme", "app", number + 1, clone_url, "main", "t")
            projects.add(session, box, new)
    with database.session() as session:
        found = project_of(session, read_address(f"https://{server.upper()}/Acme/App/issues/7"))
        assert found.api_url == APIS[server]
        with pytest.raises(NotFoundError):
            project_of(session, read_address("https://elsewhere.example.org/acme/app/issues/7"))


@pytest.mark.parametrize("what", ["issues", "pull requests"])
def test_a_repository_with_what_a_run_needs_switched_off_is_not_added(
    what: str, paid: Paid, greeter: Repository
) -> None:
    repository = greeter.forge.world.repositories["acme/greeter"]
    setattr(repository, f"has_{what.replace(' ', '_')}", False)
    api = ("--api-url", greeter.api_url, "--token-file", str(greeter.token_file))
    answer = paid("project", "add", "acme/greeter", *api)
    assert answer.code == 2
    assert f"{what} switched off" in answer.err
    assert "Features" in answer.err


def test_an_api_address_without_its_path_says_how_one_looks(
    paid: Paid, greeter: Repository
) -> None:
    """What a GitHub Enterprise Server answers there is a page, not its API."""
    greeter.forge.fail(Fault(kind="garbage", times=-1))
    api = ("--api-url", greeter.api_url, "--token-file", str(greeter.token_file))
    answer = paid("project", "add", "acme/greeter", *api)
    assert answer.code == 4
    assert "https://HOST/api/v3" in answer.err
