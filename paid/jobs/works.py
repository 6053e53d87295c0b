"""What each job does. Every one may be delivered twice, and is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from sqlmodel import Session

from paid.containers.mirror import Mirrors, Remote
from paid.errors import PaidError
from paid.jobs import news
from paid.jobs.broker import Work
from paid.jobs.post import Delivery, Post
from paid.jobs.reconciler import Reconciler
from paid.models import NotificationTarget, Outbox, Project, ProjectState
from paid.settings import Settings
from paid.store import credentials, events, notifications, outbox, projects, usage, webhooks
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.events import NewEvent

Do = Callable[[Session, Mapping[str, Any], str], None]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Works:
    """The jobs by name, with what they need."""

    settings: Settings
    database: Database
    box: SecretBox
    mirrors: Mirrors
    post: Post
    reconciler: Reconciler

    def by_name(self) -> dict[str, Work]:
        """For the queue: each takes a job's key."""
        does: dict[str, Do] = {
            "notify": self.notify,
            "deliver": self.deliver,
            "clean_up": self.clean_up,
            "roll_up": self.roll_up,
            "warm_mirrors": self.warm_mirrors,
            "warm_mirror": self.warm_mirror,
            "tidy_mirrors": self.tidy_mirrors,
        }
        return {name: self._once(do) for name, do in does.items()}

    def _once(self, do: Do) -> Work:
        """The work and its mark in one transaction, with the job's row locked."""

        def work(key: str) -> None:
            with self.database.session() as session:
                job = outbox.claim(session, key)
                if job is None:
                    return
                do(session, job.arguments, key)
                outbox.mark_done(session, job)
            _log.info("job.done", actor=_name(job), key=key)

        return work

    def notify(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """One delivery for each who wants to know, so that one that fails holds up no other."""
        found = news.read(session, int(arguments["event_id"]), self.settings.dashboard_url)
        if found is None:
            return
        for target in notifications.targets(session, found.project_id):
            told = {"target_id": target.id, "event_id": arguments["event_id"]}
            outbox.enqueue(session, "deliver", told, f"{key}:to:{target.id}")

    def deliver(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """Tell one target. Raises NewsUndeliveredError to be tried again later."""
        target = session.get(NotificationTarget, int(arguments["target_id"]))
        found = news.read(session, int(arguments["event_id"]), self.settings.dashboard_url)
        if target is None or found is None:
            return
        secret = ""
        if target.credential_id is not None:
            secret = credentials.read(session, self.box, target.credential_id)
        refused = self.post.send(Delivery(key, target.kind, target.address, secret, found))
        if refused:
            _log.warning("news.refused", target=target.id, why=refused)
            failed = NewEvent("notification.refused", {"target": target.id, "why": refused})
            events.append_to_system(session, failed)

    def clean_up(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """Bring PostgreSQL and Temporal to agree, and forget what is long done."""
        asyncio.run(self.reconciler.reconcile())
        outbox.forget_done(session)
        webhooks.forget_old(session)

    def roll_up(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """Add up the last days."""
        usage.roll_up(session)

    def warm_mirrors(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """A fetch for each project, so that a run finds its repository nearly up to date."""
        for project in projects.active(session):
            told = {"project_id": project.id}
            outbox.enqueue(session, "warm_mirror", told, f"{key}:{project.id}")

    def warm_mirror(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """Fetch one project. What fails is the next run's to report, or the next warming's."""
        project = session.get(Project, int(arguments["project_id"]))
        if project is None or project.state != ProjectState.ACTIVE:
            return
        token = projects.token(session, self.box, project)
        try:
            self.mirrors.fetch(Remote(projects.number(project), project.clone_url, token))
        except PaidError as error:
            _log.info("mirror.not_warmed", project=project.id, why=error.code)

    def tidy_mirrors(self, session: Session, arguments: Mapping[str, Any], key: str) -> None:
        """Let git drop what no run needs; a mirror that a run borrows from waits for the next."""
        for project in projects.listing(session):
            if not self.mirrors.path(projects.number(project)).exists():
                continue
            try:
                self.mirrors.collect_garbage(projects.number(project))
            except PaidError as error:
                _log.info("mirror.not_tidied", project=project.id, why=error.code)


def _name(job: Outbox) -> str:
    return job.actor
