"""How the forge says no, in GitHub's form."""

from __future__ import annotations

from typing import Any

DOCUMENTATION = "https://docs.github.com/rest"


class ApiError(Exception):
    """Raised by an endpoint; becomes a status and a JSON body like GitHub's."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {
            "message": message,
            "documentation_url": DOCUMENTATION,
            "status": str(status),
        }
        if errors is not None:
            self.body["errors"] = errors


def not_found() -> ApiError:
    """GitHub's answer for what is not there, and for what this token must not see."""
    return ApiError(404, "Not Found")


def forbidden(message: str = "Resource not accessible by personal access token") -> ApiError:
    """The token is good, but lacks the right."""
    return ApiError(403, message)


def invalid(resource: str, field: str, code: str, message: str | None = None) -> ApiError:
    """A body that cannot be used, with the field at fault."""
    error = {"resource": resource, "field": field, "code": code}
    if message:
        error["message"] = message
    return ApiError(422, "Validation Failed", errors=[error])
