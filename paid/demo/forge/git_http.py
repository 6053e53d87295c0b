"""git over smart HTTP: git's own upload-pack and receive-pack behind the forge's tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web

from paid.demo.forge import rights
from paid.demo.forge.errors import ApiError
from paid.demo.forge.gate import Gate, Logged, hang_up
from paid.demo.forge.git_store import git_environment
from paid.demo.forge.world import MAY_PUSH, Repository, now

SERVICES = ("git-upload-pack", "git-receive-pack")
CHUNK_BYTES = 64 * 1024


class GitHttp:
    """`pushed` hears of each repository, and of who pushed to it."""

    def __init__(self, gate: Gate, pushed: Callable[[Repository, str], None]) -> None:
        self._gate = gate
        self._pushed = pushed

    def routes(self) -> list[web.RouteDef]:
        """The three addresses that git asks, with and without `.git`."""
        repo = r"/{owner}/{repo:[^/]+}"
        return [
            web.get(f"{repo}/info/refs", self._advertise),
            web.post(repo + "/{service:git-(upload|receive)-pack}", self._serve),
        ]

    async def _advertise(self, request: web.Request) -> web.StreamResponse:
        service = request.query.get("service", "")
        if service not in SERVICES:
            raise web.HTTPForbidden(text="Only smart HTTP is spoken here.")
        refused = await self._refused(request, service)
        if refused is not None:
            return refused
        head = f"# service={service}\n"
        first = f"{len(head) + 4:04x}{head}0000".encode()
        return await self._run(request, service, [service[4:], "--advertise-refs"], first, b"")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        service = request.match_info["service"]
        refused = await self._refused(request, service)
        if refused is not None:
            return refused
        body = await request.read()
        return await self._run(request, service, [service[4:]], b"", body)

    def _note(self, repository: Repository | None, login: str | None) -> None:
        if repository is None or login is None:
            return
        with self._gate.world.lock:
            repository.pushed_at = now()
            self._pushed(repository, login)

    def _asked(self, request: web.Request) -> tuple[Repository | None, str | None]:
        token = self._gate.token_of(request)
        name = request.match_info["repo"].removesuffix(".git")
        found = self._gate.world.repository(f"{request.match_info['owner']}/{name}")
        if found and token and token.repositories and found.full_name not in token.repositories:
            found = None
        return found, token.login if token else None

    def _renamed(self, request: web.Request) -> str | None:
        """Where git is told to ask instead; None for a name that is still good."""
        old = f"{request.match_info['owner']}/{request.match_info['repo']}"
        new = self._gate.world.renamed.get(old.removesuffix(".git").lower())
        if new is None:
            return None
        to = request.path_qs.replace(f"/{old}", f"/{new}.git", 1)
        return f"{request.scheme}://{request.host}{to}"

    async def _refused(self, request: web.Request, service: str) -> web.StreamResponse | None:
        """What GitHub answers to those who may not; None for those who may."""
        fault = self._gate.faults.take(request.method, request.path)
        if fault is not None and fault.kind == "status":
            return self._logged(request, web.Response(status=fault.status, text="Switched on."))
        if fault is not None:
            await asyncio.sleep(fault.seconds)
            hang_up(request)
            return web.Response(status=500)
        if (new := self._renamed(request)) is not None:
            return self._logged(request, web.Response(status=301, headers={"location": new}))
        try:
            repository, login = self._asked(request)
        except ApiError:
            return self._logged(request, _ask_for_a_token("Invalid username or token."))
        permission = repository.permission(login) if repository else "none"
        if login is None and (repository is None or service == SERVICES[1] or permission == "none"):
            return self._logged(request, _ask_for_a_token("Authentication required."))
        if repository is None or permission == "none":
            return self._logged(request, web.Response(status=404, text="Repository not found."))
        level = "write" if service == SERVICES[1] else "read"
        if not (rights.has(self._gate.token_of(request), "contents", level)):
            message = "Write access to repository not granted."
            return self._logged(request, web.Response(status=403, text=message))
        if service == SERVICES[1] and (permission not in MAY_PUSH or repository.archived):
            message = f"Permission to {repository.full_name}.git denied to {login}."
            return self._logged(request, web.Response(status=403, text=message))
        return None

    def _logged(self, request: web.Request, response: web.Response) -> web.Response:
        self._gate.log.append(Logged(request.method, request.path_qs, response.status, None))
        return response

    async def _run(
        self, request: web.Request, service: str, arguments: list[str], first: bytes, body: bytes
    ) -> web.StreamResponse:
        """Run one of git's two programs on the repository and stream what it says."""
        repository, login = self._asked(request)
        kind = "advertisement" if "--advertise-refs" in arguments else "result"
        response = web.StreamResponse(
            headers={
                "content-type": f"application/x-{service}-{kind}",
                "cache-control": "no-cache",
            }
        )
        process = await self._start(request, repository, arguments)
        await response.prepare(request)
        try:
            await response.write(first)
            if arguments == ["receive-pack"]:
                # Whoever pushed may look at once, so the answer waits until the push is noted.
                said, _ = await process.communicate(body)
                await asyncio.to_thread(self._note, repository, login)
                await response.write(said)
            else:
                await _pump(process, body, response)
            await response.write_eof()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        self._gate.log.append(Logged(request.method, request.path_qs, 200, login))
        return response

    async def _start(
        self, request: web.Request, repository: Repository | None, arguments: list[str]
    ) -> asyncio.subprocess.Process:
        environment = git_environment()
        if request.headers.get("git-protocol"):
            environment["GIT_PROTOCOL"] = request.headers["git-protocol"]
        folder = self._gate.git.folder(repository.full_name if repository else "")
        return await asyncio.create_subprocess_exec(
            *("git", arguments[0], "--stateless-rpc", *arguments[1:], str(folder)),
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )


async def _pump(
    process: asyncio.subprocess.Process, body: bytes, response: web.StreamResponse
) -> None:
    """Feed and read at once: git answers while it is still being asked."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        return
    feeding = asyncio.create_task(_feed(stdin, body))
    while chunk := await stdout.read(CHUNK_BYTES):
        await response.write(chunk)
    await feeding
    await process.wait()


async def _feed(stdin: asyncio.StreamWriter, body: bytes) -> None:
    try:
        stdin.write(body)
        await stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # git has heard enough; its answer says why
    finally:
        stdin.close()


def _ask_for_a_token(message: str) -> web.Response:
    headers = {"www-authenticate": 'Basic realm="GitHub"'}
    return web.Response(status=401, text=message, headers=headers)
