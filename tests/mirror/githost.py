"""A small git host on loopback: smart HTTP through git's own http-backend, with a token."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

GIT_IDENTITY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Maria",
    "GIT_AUTHOR_EMAIL": "maria@example.org",
    "GIT_COMMITTER_NAME": "Maria",
    "GIT_COMMITTER_EMAIL": "maria@example.org",
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
}


def git(folder: Path, *arguments: str, **environment: str) -> str:
    """Git as a person in the tests uses it."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**GIT_IDENTITY, **environment},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode("utf-8", "surrogateescape").strip()


class GitHost:
    """Serves bare repositories below a folder; `token` is what it wants as the password."""

    def __init__(self, root: Path, token: str) -> None:
        self.root = root
        self.token = token
        self.status: int | None = None
        self.page: tuple[int, dict[str, str], bytes] | None = None
        self.speaks_v2 = True
        self.pause_seconds = 0.0
        self.log: list[str] = []
        host = self

        class Handler(_Handler):
            owner = host

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def create(self, name: str, object_format: str = "sha1") -> Path:
        path = self.root / f"{name}.git"
        path.mkdir(parents=True)
        made = f"--object-format={object_format}"
        git(path, "init", "--bare", "--quiet", made, "--initial-branch=main")
        git(path, "config", "http.receivepack", "true")
        return path

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{name}.git"

    def reject(self, name: str, words: str) -> None:
        hook = self.root / f"{name}.git" / "hooks" / "pre-receive"
        hook.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
        hook.chmod(0o755)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    owner: GitHost

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep what was asked, not print it."""
        self.owner.log.append(self.requestline)

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self._serve(self._chunks())
        else:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _serve(self, body: bytes) -> None:
        time.sleep(self.owner.pause_seconds)
        if self.owner.status is not None:
            self.send_error(self.owner.status)
            return
        if self.owner.page is not None:
            self._answer(*self.owner.page)
            return
        if not self._may():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.end_headers()
            return
        path, _, query = self.path.partition("?")
        if not (self.owner.root / path.strip("/").split("/")[0]).exists():
            self.send_error(404)
            return
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            capture_output=True,
            check=True,
            env={
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(self.owner.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1",
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_USER": "maria",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") * self.owner.speaks_v2,
            },
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [line.split(": ", 1) for line in head.decode().splitlines()]
        status = next((value for name, value in fields if name == "Status"), "200 OK")
        self.send_response(int(status.split()[0]))
        for name, value in fields:
            if name != "Status":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _may(self) -> bool:
        expected = base64.b64encode(f"x-access-token:{self.owner.token}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"
