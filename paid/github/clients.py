"""One GitHub client a project, kept: it remembers answers, which makes asking again free."""

from __future__ import annotations

import threading

from paid.github.client import GitHub
from paid.models import Project
from paid.store import projects
from paid.store.credentials import SecretBox
from paid.store.database import Database


class GitHubClients:
    """Makes clients with the projects' stored tokens; may be shared by threads."""

    def __init__(self, database: Database, box: SecretBox) -> None:
        self._database, self._box = database, box
        self._clients: dict[int, tuple[str, str, GitHub]] = {}
        self._lock = threading.Lock()

    def __call__(self, project: Project) -> GitHub:
        """The project's client; a new one when its token or its server was changed."""
        with self._database.session() as session:
            token = projects.token(session, self._box, project)
        number = projects.number(project)
        with self._lock:
            kept = self._clients.get(number)
            if kept is not None and kept[:2] == (token, project.api_url):
                return kept[2]
            if kept is not None:
                kept[2].close()
            github = GitHub(token, project.api_url)
            self._clients[number] = (token, project.api_url, github)
            return github

    def close(self) -> None:
        """Close every client's connections."""
        with self._lock:
            for _, _, github in self._clients.values():
                github.close()
            self._clients.clear()
