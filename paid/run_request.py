"""A run that a person asks for without a label: whoever may use the command line is trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from sqlmodel import Session

from paid.errors import BadInputError, NotFoundError
from paid.github.words import IssueSeen
from paid.models import Project, ProjectState, Run
from paid.store import issues, projects
from paid.store.database import Database

_PATH = re.compile(r"/?([^/\s]+/[^/\s]+)/issues/([1-9][0-9]{0,8})/?")
_PULL = re.compile(r"/[^/\s]+/[^/\s]+/pull/[0-9]+(/.*)?")
_SHORT = re.compile(r"([^/\s#]+/[^/\s#]+)#([1-9][0-9]{0,8})")
FORMS = "As in `https://github.com/OWNER/REPO/issues/7` or `OWNER/REPO#7`."


class Issues(Protocol):
    """What of GitHub is needed."""

    def issue(self, repo: str, number: int) -> IssueSeen | None:
        """An issue; None when there is none."""


@dataclass(frozen=True)
class Address:
    """Where an issue is. `server` is host and port as in the URL; None was not said."""

    repository: str
    number: int
    server: str | None = None


def read_address(text: str) -> Address:
    """An issue's address as people write it. Raises BadInputError."""
    short = _SHORT.fullmatch(text.strip())
    if short:
        return Address(short[1], int(short[2]))
    parts = _split(text.strip())
    if parts.netloc and _PULL.fullmatch(parts.path):
        raise BadInputError(f"{text!r} is a pull request.", hint=f"Name an issue. {FORMS}")
    long = _PATH.fullmatch(parts.path)
    if parts.scheme not in {"http", "https"} or not parts.netloc or not long:
        raise BadInputError(f"{text!r} is not an issue's address.", hint=FORMS)
    return Address(long[1], int(long[2]), parts.netloc.lower())


def project_of(session: Session, address: Address) -> Project:
    """The project of an issue. Raises NotFoundError, or BadInputError when it starts nothing."""
    owner, name = projects.split_name(address.repository)
    found = [
        project
        for project in projects.listing(session)
        if (project.owner.lower(), project.name.lower()) == (owner.lower(), name.lower())
        and address.server in {None, _server(project)}
    ]
    if not found:
        raise NotFoundError(
            f"{address.repository} is not a project"
            + (f" on {address.server}." if address.server else "."),
            hint=f"Add it with `paid project add {address.repository}{_api_option(address)}`.",
        )
    if len(found) > 1:
        raise BadInputError(
            f"{address.repository} is there on several servers.", hint="Give the issue's whole URL."
        )
    if found[0].state == ProjectState.PAUSED:
        raise BadInputError(
            f"{found[0].full_name} is paused: "
            f"{(found[0].paused_reason or 'no reason was given').rstrip('.')}.",
            hint=f"Mend that, then go on with `paid project resume {found[0].full_name}`.",
        )
    return found[0]


def request(database: Database, github: Issues, project: Project, number: int, *, by: str) -> Run:
    """Record a run of the issue as it is now, for the caller to start.

    Raises NotFoundError, or BadInputError when the issue cannot be worked on.
    """
    issue = github.issue(project.full_name, number)
    if issue is None:
        raise NotFoundError(f"{project.full_name} has no issue {number}.")
    if issue.is_pull_request:
        raise BadInputError(f"{number} is a pull request.", hint="Name an issue.")
    if issue.state != "open":
        raise BadInputError(f"Issue {number} is closed.", hint="Open it again first.")
    with database.session() as session:
        run = issues.request_run(session, project, issue, by=by, event=None)
    if run is None:
        raise BadInputError(
            f"A run of {project.full_name}#{number} is under way already.",
            hint="`paid runs --group live` shows it, `paid cancel RUN` ends it.",
        )
    return run


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError:
        return urlsplit("")  # a bracket too many


def _api_option(address: Address) -> str:
    """What `paid project add` needs beside the name, for a server of one's own."""
    if address.server in {None, "github.com"}:
        return ""
    return f" --api-url https://{address.server}/api/v3"


def _server(project: Project) -> str:
    """Where people see a project's issues.

    GitHub's own API is at api.HOST, for github.com and for enterprises at SUBDOMAIN.ghe.com; that
    of an Enterprise Server is a path of its one host.
    """
    api = urlsplit(project.api_url)
    server = api.netloc.lower()
    return server if api.path.strip("/") else server.removeprefix("api.")
