"""What is asked of projects: add one, find it, list them, stop and go on, take it away."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import func
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from paid.errors import BadInputError, NotFoundError
from paid.models import DEFAULT_LABELS, Label, Policy, Project, ProjectState
from paid.store import credentials, events, runs
from paid.store.credentials import SecretBox
from paid.store.events import NewEvent

GITHUB_API_URL = "https://api.github.com"
_PART = re.compile(r"[A-Za-z0-9_.-]{1,100}")


@dataclass(frozen=True)
class NewProject:
    """A repository as GitHub described it, and the token that may write to it."""

    api_url: str
    owner: str
    name: str
    github_id: int
    clone_url: str
    default_branch: str
    token: str


def split_name(full_name: str) -> tuple[str, str]:
    """Owner and repository of `OWNER/REPO`. Raises BadInputError for every other form."""
    owner, slash, name = full_name.strip().removesuffix(".git").partition("/")
    if not slash or not _is_name(owner) or not _is_name(name):
        raise BadInputError(
            f"{full_name!r} is not a repository's name.",
            hint="Write OWNER/REPO, as in `octocat/hello-world`.",
        )
    return owner, name


def _is_name(part: str) -> bool:
    return _PART.fullmatch(part) is not None and part not in {".", ".."}


def add(session: Session, box: SecretBox, new: NewProject, *, by: str = "") -> Project:
    """Start to watch a repository, with the default labels and policy.

    Raises BadInputError when it is watched already.
    """
    full_name = f"{new.owner}/{new.name}"
    split_name(full_name)
    known = _same_repository(session, new.api_url, new.owner, new.name)
    if known is not None:
        raise BadInputError(
            f"{full_name} is a project already (number {known.id}).",
            hint=f"Change it with `paid project set {full_name}`.",
        )
    project = Project(
        api_url=new.api_url,
        owner=new.owner,
        name=new.name,
        github_id=new.github_id,
        clone_url=new.clone_url,
        default_branch=new.default_branch,
        credential_id=credentials.add(session, box, "github_token", new.token),
    )
    session.add(project)
    try:
        session.flush()
    except IntegrityError as error:
        raise BadInputError(f"{full_name} was added by somebody else just now.") from error
    project_id = number(project)
    session.add(Policy(project_id=project_id))
    session.add_all(
        Label(project_id=project_id, purpose=purpose, name=name)
        for purpose, name in DEFAULT_LABELS.items()
    )
    data = {"repository": full_name, "api_url": new.api_url, "by": by}
    events.append_to_project(session, project_id, NewEvent("project.added", data))
    return project


def number(project: Project) -> int:
    """The id of a project that is stored."""
    assert project.id is not None  # noqa: S101 - every stored row has one
    return project.id


def get(session: Session, project_id: int, *, lock: bool = False) -> Project:
    """A project by its number, removed ones too; `lock` until the transaction ends."""
    project = session.get(
        Project, project_id, with_for_update={"key_share": True} if lock else None
    )
    if project is None:
        raise NotFoundError(
            f"There is no project {project_id}.", hint="`paid project list` shows them."
        )
    return project


def find(session: Session, name_or_id: str) -> Project:
    """A project that is not removed, by `OWNER/REPO` or by its number."""
    wanted = name_or_id.strip()
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 19:
        project = get(session, int(wanted))
        if project.state != ProjectState.REMOVED:
            return project
        raise NotFoundError(f"Project {wanted} was removed.", hint="Add it anew.")
    return _by_name(session, *split_name(wanted))


def _by_name(session: Session, owner: str, name: str) -> Project:
    found = [
        project
        for project in listing(session)
        if (project.owner.lower(), project.name.lower()) == (owner.lower(), name.lower())
    ]
    if not found:
        raise NotFoundError(
            f"{owner}/{name} is not a project.",
            hint=f"Add it with `paid project add {owner}/{name}`.",
        )
    if len(found) > 1:
        numbers = ", ".join(str(project.id) for project in found)
        raise BadInputError(
            f"{owner}/{name} is there on several servers.", hint=f"Say which: {numbers}."
        )
    return found[0]


def _same_repository(session: Session, api_url: str, owner: str, name: str) -> Project | None:
    question = select(Project).where(
        Project.api_url == api_url,
        func.lower(Project.owner) == owner.lower(),
        func.lower(Project.name) == name.lower(),
        Project.state != ProjectState.REMOVED,
    )
    return session.exec(question).first()


def listing(session: Session, *, include_removed: bool = False) -> list[Project]:
    """Projects by name."""
    question = select(Project).order_by(col(Project.owner), col(Project.name), col(Project.id))
    if not include_removed:
        question = question.where(Project.state != ProjectState.REMOVED)
    return list(session.exec(question))


def active(session: Session) -> list[Project]:
    """Projects that are polled."""
    return [project for project in listing(session) if project.state == ProjectState.ACTIVE]


def token(session: Session, box: SecretBox, project: Project) -> str:
    """The project's GitHub token, in the clear; it must not leave the host."""
    if project.credential_id is None:
        raise NotFoundError(f"{project.full_name} has no token any more.", hint="Add it anew.")
    return credentials.read(session, box, project.credential_id)


def webhook_secret(session: Session, box: SecretBox, project: Project) -> str | None:
    """The secret that signs the project's webhook; None when it has none."""
    if project.webhook_credential_id is None:
        return None
    return credentials.read(session, box, project.webhook_credential_id)


def policy(session: Session, project_id: int) -> Policy:
    """What runs of the project may do."""
    return session.exec(select(Policy).where(Policy.project_id == project_id)).one()


def labels(session: Session, project_id: int) -> dict[str, str]:
    """The project's label for each purpose: build, plan, cancel."""
    rows = session.exec(select(Label).where(Label.project_id == project_id))
    return {row.purpose: row.name for row in rows}


def pause(session: Session, project_id: int, reason: str, *, by: str) -> bool:
    """Start nothing new; runs that are under way go on. False when it was paused already."""
    project = _present(session, project_id)
    if project.state == ProjectState.PAUSED:
        return False
    project.state, project.paused_reason = ProjectState.PAUSED, reason
    _tell(session, project, "project.paused", {"by": by, "reason": reason})
    return True


def resume(session: Session, project_id: int, *, by: str) -> bool:
    """Watch again. False when it was not paused."""
    project = _present(session, project_id)
    if project.state == ProjectState.ACTIVE:
        return False
    project.state, project.paused_reason = ProjectState.ACTIVE, ""
    _tell(session, project, "project.resumed", {"by": by})
    return True


def remove(session: Session, project_id: int, *, by: str) -> None:
    """Stop watching and forget the secrets; runs, events and money stay on record.

    Raises BadInputError while runs are live: to end well they need the token.
    """
    project = _present(session, project_id)
    live = runs.count_live(session, project_id)
    if live:
        raise BadInputError(
            f"{project.full_name} has {live} {'run' if live == 1 else 'runs'} under way.",
            hint="Pause it, let them end or `paid cancel` them, and then remove it.",
        )
    secrets = [project.credential_id, project.webhook_credential_id]
    project.state, project.paused_reason = ProjectState.REMOVED, ""
    project.credential_id = project.webhook_credential_id = None
    _tell(session, project, "project.removed", {"by": by})
    session.flush()
    for credential_id in secrets:
        if credential_id is not None:
            credentials.forget(session, credential_id)


def _present(session: Session, project_id: int) -> Project:
    project = get(session, project_id, lock=True)
    if project.state == ProjectState.REMOVED:
        raise BadInputError(f"{project.full_name} was removed.", hint="Add it anew.")
    return project


def _tell(session: Session, project: Project, kind: str, data: dict[str, str]) -> None:
    session.add(project)
    events.append_to_project(session, number(project), NewEvent(kind, data))
