"""Small pages on which a person reads an issue, sets its label, and looks at a pull request."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import jinja2
from aiohttp import web
from markdown_it import MarkdownIt
from markupsafe import Markup

from paid.demo.forge.deeds import Deeds
from paid.demo.forge.git_store import FileChange, GitStore
from paid.demo.forge.world import Comment, Issue, IssueEvent, Repository, World

LABELS = ("paid-build", "paid-plan", "paid-cancel")
LOOPBACK = re.compile(r"^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$")
UNSEEN = re.compile(r"<!--.*?-->|</?sub>", re.DOTALL)
ADDRESS = re.compile(r"(?<=\s)(https?://[^\s<>()`]+)$", re.MULTILINE)
"""A bare address at the end of a line, which GitHub makes a link as well."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
Page = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """Whoever can open these pages acts as the repository's owner: it is a demo on loopback."""

    def __init__(self, world: World, git: GitStore, deeds: Deeds) -> None:
        self._world = world
        self._git = git
        self._deeds = deeds
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("paid.demo.forge"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["markdown"] = self._rendered

    def routes(self) -> list[web.RouteDef]:
        """The pages and their forms."""
        repo = "/{owner}/{repo}"
        issue = repo + "/issues/{number:[0-9]+}"
        return [
            web.get("/", self._guarded(self._home)),
            web.get("/forge.css", self._style),
            web.get(repo, self._guarded(self._repository)),
            web.get(issue, self._guarded(self._issue)),
            web.get(repo + "/pull/{number:[0-9]+}", self._guarded(self._pull)),
            web.post(issue + "/labels", self._guarded(self._set_label)),
            web.post(issue + "/comments", self._guarded(self._comment)),
            web.post(repo + "/issues", self._guarded(self._open_issue)),
        ]

    def _guarded(self, page: Page) -> Page:
        """Only this machine's own browser, and only forms of these pages."""

        async def handle(request: web.Request) -> web.StreamResponse:
            origin = request.headers.get("origin")
            if not LOOPBACK.match(request.host):
                raise web.HTTPForbidden(text="This host name is not mine.")
            if request.method == "POST" and origin != f"{request.scheme}://{request.host}":
                raise web.HTTPForbidden(text="This form is not mine.")
            return await page(request)

        return handle

    async def _style(self, _request: web.Request) -> web.StreamResponse:
        text = (resources.files(__package__) / "forge.css").read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/css", headers=HEADERS)

    async def _home(self, _request: web.Request) -> web.StreamResponse:
        repositories = [entry for entry in self._world.repositories.values() if not entry.private]
        return self._page("home.html", repositories=repositories)

    async def _repository(self, request: web.Request) -> web.StreamResponse:
        repository = self._find_repository(request)
        entries = sorted(repository.issues.values(), key=lambda issue: issue.number)
        return self._page(
            "repository.html",
            repository=repository,
            issues=[issue for issue in entries if issue.pull is None],
            pulls=[issue for issue in entries if issue.pull is not None],
        )

    async def _issue(self, request: web.Request) -> web.StreamResponse:
        repository, issue = self._find(request)
        if issue.pull is not None:
            raise web.HTTPFound(f"/{repository.full_name}/pull/{issue.number}")
        entries: list[IssueEvent | Comment] = [*issue.events, *issue.comments]
        entries.sort(key=lambda entry: (entry.created_at, entry.id))
        return self._page(
            "issue.html", repository=repository, issue=issue, entries=entries, labels=LABELS
        )

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        repository, issue = self._find(request)
        pull = issue.pull
        if pull is None:
            raise web.HTTPFound(f"/{repository.full_name}/issues/{issue.number}")
        base = self._git.merge_base(repository.full_name, pull.base_sha, pull.head_sha)
        changes = self._git.changes(repository.full_name, base, pull.head_sha)
        return self._page(
            "pull.html",
            repository=repository,
            issue=issue,
            pull=pull,
            commits=self._git.commits(repository.full_name, base, pull.head_sha),
            files=[(change, diff_lines(change)) for change in changes],
        )

    async def _set_label(self, request: web.Request) -> web.StreamResponse:
        repository, issue = self._find(request)
        form = await request.post()
        label, wanted = str(form.get("label", "")), form.get("set") == "yes"
        if label not in LABELS:
            raise web.HTTPBadRequest(text="That label is not offered here.")
        with self._world.lock:
            if wanted:
                self._deeds.add_labels(repository, issue, _owner(repository), [label])
            else:
                self._deeds.remove_label(repository, issue, _owner(repository), label)
        raise web.HTTPSeeOther(f"/{repository.full_name}/issues/{issue.number}")

    async def _comment(self, request: web.Request) -> web.StreamResponse:
        repository, issue = self._find(request)
        body = str((await request.post()).get("body", "")).strip()
        if body:
            with self._world.lock:
                self._deeds.comment(repository, issue, _owner(repository), body)
        raise web.HTTPSeeOther(f"/{repository.full_name}/issues/{issue.number}")

    async def _open_issue(self, request: web.Request) -> web.StreamResponse:
        repository = self._find_repository(request)
        form = await request.post()
        title, body = str(form.get("title", "")).strip(), str(form.get("body", ""))
        if not title:
            raise web.HTTPBadRequest(text="An issue needs a title.")
        with self._world.lock:
            issue = self._deeds.open_issue(repository, _owner(repository), title[:256], body)
        raise web.HTTPSeeOther(f"/{repository.full_name}/issues/{issue.number}")

    def _find_repository(self, request: web.Request) -> Repository:
        name = f"{request.match_info['owner']}/{request.match_info['repo']}"
        found = self._world.repository(name)
        if found is None or found.private:
            raise web.HTTPNotFound(text="There is no such repository.")
        return found

    def _find(self, request: web.Request) -> tuple[Repository, Issue]:
        repository = self._find_repository(request)
        issue = repository.issues.get(int(request.match_info["number"]))
        if issue is None:
            raise web.HTTPNotFound(text="There is no such issue.")
        return repository, issue

    def _page(self, template: str, **values: Any) -> web.Response:
        with self._world.lock:
            text = self._templates.get_template(template).render(**values)
        return web.Response(text=text, content_type="text/html", headers=HEADERS)

    def _rendered(self, text: str | None) -> Markup:
        """Markdown without raw HTML: it is escaped; what people do not see is left out."""
        shown = ADDRESS.sub(r"<\1>", UNSEEN.sub("", text or ""))
        return Markup(self._markdown.render(shown))  # noqa: S704 - escaped


def _owner(repository: Repository) -> str:
    """Who the pages act for: the first person with all rights."""
    admins = [login for login, right in repository.permissions.items() if right == "admin"]
    return admins[0] if admins else repository.owner


def diff_lines(change: FileChange) -> list[tuple[str, str]]:
    """Each line of a patch with what it is: hunk, added, removed or same."""
    kinds = {"@": "hunk", "+": "added", "-": "removed"}
    return [(kinds.get(line[:1], "same"), line) for line in change.patch.splitlines()]
