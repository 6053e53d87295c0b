"""A project and runs on record, and receivers of news on loopback."""

from __future__ import annotations

import json
import random
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from paid.models import Issue, Run
from paid.settings import Settings
from paid.store import clock, projects
from paid.store.credentials import SecretBox
from paid.store.database import Database
from paid.store.projects import NewProject

MakeRun = Callable[..., int]


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return Settings(
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        database_url=database_url,
        allow_private_webhooks=True,
        smtp_url=None,
    )


@pytest.fixture
def box(settings: Settings) -> SecretBox:
    return SecretBox(settings.secret_key_path)


@pytest.fixture
def project_id(database: Database, box: SecretBox) -> int:
    new = NewProject(
        api_url="https://api.github.com",
        owner="acme",
        name="greeter",
        github_id=7,
        clone_url="https://github.com/acme/greeter.git",
        default_branch="main",
        token="ghp_token",
    )
    # Polls are named for their project, and all tests share one Temporal server.
    first = random.randrange(10**6, 10**9)  # noqa: S311 - no secret
    with database.session() as session:
        session.connection().execute(
            text(f"ALTER TABLE project ALTER COLUMN id RESTART WITH {first}")
        )
        return projects.number(projects.add(session, box, new))


@pytest.fixture
def make_run(database: Database, project_id: int) -> MakeRun:
    """Records a run of a fresh issue; `age` says how long ago."""
    numbers = iter(range(1, 1000))

    def make(age: timedelta = timedelta(minutes=5), **values: Any) -> int:
        number = next(numbers)
        with database.session() as session:
            issue = Issue(
                project_id=project_id,
                number=number,
                github_id=number,
                title="Say hello",
                html_url=f"https://github.com/acme/greeter/issues/{number}",
                author="maria",
                generation=1,
            )
            session.add(issue)
            session.flush()
            assert issue.id is not None
            run = Run(
                project_id=project_id,
                issue_id=issue.id,
                generation=1,
                workflow_id=f"run:7:{number}:{uuid4()}",
                requested_by="maria",
                agent="codex",
                created_at=clock.now(session) - age,
                **values,
            )
            session.add(run)
            session.flush()
            assert run.id is not None
            return run.id

    return make


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A webhook's end: answers what `answers` says, one after the other, then 204."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            state.received.append(Received(self.path, headers, body))
            status, extra = state.answers.pop(0) if state.answers else (204, {})
            self.send_response(status)
            for name, value in extra.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class MailServer:
    """Takes mail; refuses recipients that begin with `nobody`."""

    url: str = ""
    messages: list[str] = field(default_factory=list)


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    state = MailServer()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say("220 ready")
            while line := self.rfile.readline().decode().strip():
                verb = line[:4].upper()
                if verb == "QUIT":
                    self.say("221 bye")
                    return
                if verb == "DATA":
                    self.say("354 go on")
                    state.messages.append(self.text())
                refused = verb == "RCPT" and "<nobody" in line
                self.say("550 no such user" if refused else "250 ok")

        def text(self) -> str:
            lines = []
            while (line := self.rfile.readline().decode()) != ".\r\n":
                lines.append(line)
            return "".join(lines)

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    state.url = f"smtp://127.0.0.1:{server.server_address[1]}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()
