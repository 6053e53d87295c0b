"""GitHub's webhook: verified, counted once, and no more than a reason to look at once."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from litestar import Request, Response, post
from litestar.background_tasks import BackgroundTask
from litestar.enums import MediaType
from litestar.types import ControllerRouterHandler

from paid.errors import BadInputError, GitHubUnauthorizedError, PaidError
from paid.github.webhook import is_signature
from paid.store import webhooks
from paid.store.credentials import SecretBox
from web.intake import TooLargeError, TooSlowError
from web.services import GivenServices, Services

_UNSIGNED = GitHubUnauthorizedError("The webhook is not signed with a project's secret.")
_REFUSALS: tuple[tuple[type[PaidError], int, str], ...] = (
    (GitHubUnauthorizedError, 401, "Unauthorized"),
    (BadInputError, 400, "Bad Request"),
    (TooLargeError, 413, "Content Too Large"),
    (TooSlowError, 503, "Service Unavailable"),
)


@post("/webhooks/github", status_code=202, request_max_body_size=None)
async def receive(request: Request[Any, Any, Any], services: GivenServices) -> Response[Any]:
    """202 for every delivery that a project's secret signs; a replay makes nobody look again.

    Needs no session and no CSRF token: the signature over the raw body is the proof.
    """
    try:
        project_id = await _taken_in(request, services)
    except tuple(kind for kind, _, _ in _REFUSALS) as error:
        return _refused(error)
    told = BackgroundTask(services.looks.ask, project_id) if project_id else None
    answer = {"looking": project_id is not None}
    return Response(answer, status_code=202, media_type=MediaType.JSON, background=told)


async def _taken_in(request: Request[Any, Any, Any], services: Services) -> int | None:
    """The project that is to look. A body without a signature is not even received."""
    headers = request.headers
    services.intake.told_length(headers)  # the first reason to refuse, and the cheapest
    if not is_signature(headers.get("x-hub-signature-256")):
        raise _UNSIGNED
    box = await anyio.to_thread.run_sync(SecretBox, services.settings.secret_key_path)
    async with services.intake.body(headers, request.stream()) as body:
        return await services.ask(
            lambda session: webhooks.receive(
                session,
                box,
                event=headers.get("x-github-event"),
                delivery_id=headers.get("x-github-delivery"),
                signature=headers.get("x-hub-signature-256"),
                body=body,
                target_id=headers.get("x-github-hook-installation-target-id"),
            )
        )


def _refused(error: PaidError) -> Response[Any]:
    status, words = next(
        (status, words) for kind, status, words in _REFUSALS if isinstance(error, kind)
    )
    refusal = {"error": words, "message": error.message, "hint": error.hint}
    headers = {"retry-after": "10"} if status == 503 else None
    return Response(refusal, status_code=status, media_type=MediaType.JSON, headers=headers)


ROUTES: list[ControllerRouterHandler] = [receive]
