"""A server that answers what a test says: GitHub's documents have more than the forge has."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from paid.github.client import GitHub
from tests.waiting import HANGS_SECONDS


@dataclass(frozen=True)
class Asked:
    verb: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None


@dataclass(frozen=True)
class Reply:
    """`body` is sent as JSON, bytes as they are."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Scripted:
    """`answer` is what the test says; `asked` what came, in order."""

    api_url: str
    github: GitHub
    asked: list[Asked] = field(default_factory=list)
    answer: Callable[[Asked], Reply] = lambda _: Reply(404, {"message": "Not Found"})

    @property
    def paths(self) -> list[str]:
        return [f"{asked.verb} {asked.path}" for asked in self.asked]


@contextmanager
def scripted() -> Iterator[Scripted]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    api_url = f"http://127.0.0.1:{server.server_address[1]}/api/v3"
    made = Scripted(api_url, GitHub("token", api_url, timeout_seconds=HANGS_SECONDS))
    server.RequestHandlerClass = type("Handler", (_Handler,), {"script": made})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        made.github.close()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    script: Scripted

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        given = self.rfile.read(int(self.headers.get("content-length") or 0))
        asked = Asked(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            json.loads(given) if given else None,
        )
        self.script.asked.append(asked)
        reply = self.script.answer(asked)
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        body = b"" if reply.body is None else body
        self.send_response_only(reply.status)
        headers = {"content-type": "application/json; charset=utf-8", **reply.headers}
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve
