"""The forge as a whole: what tests and the demo hold in their hands."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from paid.demo.forge.api_issues import IssueEndpoints
from paid.demo.forge.api_pulls import PullEndpoints
from paid.demo.forge.api_repositories import routes as repository_routes
from paid.demo.forge.calls import Answer, Call
from paid.demo.forge.faults import Fault
from paid.demo.forge.gate import API_PREFIX, GRAPHQL_PREFIX, Gate, Logged
from paid.demo.forge.git_http import GitHttp
from paid.demo.forge.graphql import answer as graphql_answer
from paid.demo.forge.hands import Hands
from paid.demo.forge.links import Links
from paid.demo.forge.pages import Pages
from paid.demo.forge.webhooks import Delivery, Webhooks
from paid.demo.forge.world import Hook, Repository
from paid.demo.server import MAX_BODY_BYTES, LoopbackServer


class Forge(Hands):
    """A GitHub-compatible server on loopback; `root` is the folder of its git repositories."""

    def __init__(self, root: Path, port: int = 0) -> None:
        super().__init__(root)
        self.gate = Gate(self.world, self.git)
        self._webhooks = Webhooks(self.world, self.git)
        self.deeds.listeners.append(self._webhooks.hear)
        self._server = LoopbackServer(self._application, port)

    @property
    def url(self) -> str:
        """Where people look; empty before `start`."""
        return self._server.url

    @property
    def api_url(self) -> str:
        """Where programs ask, as on GitHub Enterprise."""
        return self._server.url + API_PREFIX

    def start(self) -> str:
        """Listen, and answer the base address."""
        url = self._server.start()
        self._webhooks.links = Links(url, self.api_url)
        return url

    def stop(self) -> None:
        """Stop listening; a second call does nothing."""
        self._webhooks.close()
        self._server.stop()

    def wait(self) -> None:
        """Block until stopped."""
        self._server.wait()

    def webhook(self, name: str, url: str, secret: str) -> None:
        """Send signed webhooks there from now on."""
        self._repository(name).hooks.append(Hook(url, secret))

    @property
    def deliveries(self) -> list[Delivery]:
        """The webhooks that were sent."""
        return self._webhooks.deliveries

    def wait_for_deliveries(self) -> None:
        """Block until the webhooks of everything so far have been sent."""
        self._webhooks.flush()

    def fail(self, fault: Fault) -> None:
        """Switch a fault on."""
        self.gate.faults.add(fault)

    def mend(self) -> None:
        """Switch all faults off."""
        self.gate.faults.clear()

    @property
    def etags(self) -> bool:
        """Whether answers carry ETags."""
        return self.gate.etags

    @etags.setter
    def etags(self, on: bool) -> None:
        self.gate.etags = on

    @property
    def log(self) -> list[Logged]:
        """Every request, REST and git."""
        return self.gate.log

    @property
    def writes(self) -> list[Logged]:
        """The REST requests that wanted to change something."""
        return [
            entry
            for entry in self.gate.log
            if entry.method in ("POST", "PUT", "PATCH", "DELETE") and "/repos/" in entry.path
        ]

    def _pushed(self, repository: Repository, login: str) -> None:
        """Pull requests follow their branches."""
        branches = self.git.branches(repository.full_name)
        for issue in list(repository.issues.values()):
            if issue.pull is None or issue.state == "closed":
                continue
            sha = branches.get(issue.pull.head_ref, issue.pull.head_sha)
            if sha != issue.pull.head_sha:
                issue.pull.head_sha = sha
                self.deeds.tell_pull(repository, issue, login, "synchronize")

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        endpoints = [
            *repository_routes(),
            *IssueEndpoints(self.deeds).routes(),
            *PullEndpoints(self.deeds).routes(),
        ]
        for prefix in (API_PREFIX, ""):
            app.router.add_get(f"{prefix}/rate_limit", self.gate.handler(self._rate_limit))
            for method, path, endpoint in endpoints:
                handler = self.gate.handler(endpoint)
                app.router.add_route(method, prefix + path, handler)
        for prefix in (GRAPHQL_PREFIX, ""):
            app.router.add_post(f"{prefix}/graphql", self.gate.handler(graphql_answer))
        app.add_routes(GitHttp(self.gate, self._pushed).routes())
        app.add_routes(Pages(self.world, self.git, self.deeds).routes())
        return app

    def _rate_limit(self, call: Call) -> Answer:
        used = call.token.used if call.token else 0
        rate = {
            "limit": self.gate.limit,
            "remaining": max(0, self.gate.limit - used),
            "reset": int(self.gate.window_ends),
            "used": used,
        }
        return Answer({"resources": {"core": rate, "search": rate}, "rate": rate})
