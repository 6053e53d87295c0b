"""GitHub's webhook: verified, counted once, and no more than a reason to look at once."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from litestar import Request, Response, post
from litestar.background_tasks import BackgroundTask
from litestar.enums import MediaType
from litestar.types import ControllerRouterHandler

from paid.errors import GitHubUnauthorizedError
from paid.github.webhook import MOST_BYTES
from paid.store import webhooks
from paid.store.credentials import SecretBox
from web.services import GivenServices


@post("/webhooks/github", status_code=202, request_max_body_size=MOST_BYTES)
async def receive(request: Request[Any, Any, Any], services: GivenServices) -> Response[Any]:
    """202 for every delivery that a project's secret signs; a replay makes nobody look again.

    Needs no session and no CSRF token: the signature over the raw body is the proof.
    """
    headers, body = request.headers, await request.body()
    box = await anyio.to_thread.run_sync(SecretBox, services.settings.secret_key_path)
    try:
        project_id = await services.ask(
            lambda session: webhooks.receive(
                session,
                box,
                event=headers.get("x-github-event"),
                delivery_id=headers.get("x-github-delivery"),
                signature=headers.get("x-hub-signature-256"),
                body=body,
            )
        )
    except GitHubUnauthorizedError as error:
        refusal = {"error": "Unauthorized", "message": error.message, "hint": error.hint}
        return Response(refusal, status_code=401, media_type=MediaType.JSON)
    told = BackgroundTask(services.temporal.look_now, project_id) if project_id else None
    answer = {"looking": project_id is not None}
    return Response(answer, status_code=202, media_type=MediaType.JSON, background=told)


ROUTES: list[ControllerRouterHandler] = [receive]
