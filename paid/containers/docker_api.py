"""The one place that imports the Docker SDK: a connection, and its errors in our own words."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import docker.errors
import docker.types.daemon
import requests
import urllib3

from paid.errors import (
    ContainerError,
    ContainerLostError,
    DiskFullError,
    DockerUnavailableError,
    ImageMissingError,
    NotFrozenError,
)
from paid.settings import Settings

CALL_SECONDS = 28
"""No call waits longer for an answer, so that a dead engine never hangs a worker."""

UNAVAILABLE_HINT = (
    "Start Docker (`systemctl start docker`, or `dockerd`) and look at `paid doctor`."
)
DISK_HINT = "Free some disk: `docker system prune`, or `paid` keeps its data on a larger one."
IMAGE_HINT = "Build it: python -m paid.containers.images build"


class DockerApi:
    """A connection that is made at its first use and shared by all threads."""

    def __init__(self, settings: Settings, *, call_seconds: int = CALL_SECONDS) -> None:
        self._host = settings.docker_host
        self._call_seconds = call_seconds
        self._lock = threading.Lock()
        self._client: Any = None

    @contextmanager
    def client(self) -> Iterator[Any]:
        """The SDK's low-level client; its errors leave as Paid's."""
        with translated():
            yield self._connect()

    def _connect(self) -> Any:
        with self._lock:
            if self._client is None:
                self._client = docker.APIClient(
                    base_url=self._host,
                    version="auto",
                    timeout=self._call_seconds,
                    max_pool_size=64,
                )
                # Proxies and .netrc are looked up for each request; a socket has neither.
                self._client.trust_env = not self._client.base_url.startswith("http+docker")
            return self._client

    def close(self) -> None:
        """Close the connections; the next use makes new ones."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    def open_log(self, name: str, since: str | None) -> Any:
        """The raw multiplexed log with time stamps, as a streamed response."""
        with self.client() as client:
            response = client.get(
                f"{client.base_url}/v{client.api_version}/containers/{name}/logs",
                params={
                    "stdout": "1",
                    "stderr": "1",
                    "follow": "1",
                    "timestamps": "1",
                    **({"since": since} if since else {}),
                },
                stream=True,
                timeout=self._call_seconds,
            )
            # 409: it is being removed just now.
            if response.status_code in (404, 409):
                response.close()
                raise ContainerLostError(f"There is no container {name}.")
            response.raise_for_status()
            return response

    def break_off(self, response: Any) -> None:
        """End a streamed response that another thread may be reading."""
        with translated():
            docker.types.daemon.CancellableStream(iter(()), response).close()


@contextmanager
def translated() -> Iterator[None]:
    """Raise the SDK's errors as Paid's."""
    try:
        yield
    except docker.errors.ImageNotFound as error:
        raise ImageMissingError(_text(error), hint=IMAGE_HINT) from error
    except docker.errors.NotFound as error:
        raise ContainerLostError(_text(error)) from error
    except docker.errors.APIError as error:
        raise _of_answer(error) from error
    except (
        docker.errors.DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        message = f"Docker does not answer: {error}"
        raise DockerUnavailableError(message[:500], hint=UNAVAILABLE_HINT) from error


def _of_answer(error: Any) -> ContainerError:
    text = _text(error)
    if "no space left on device" in text.lower():
        return DiskFullError(f"Docker has no disk left: {text}", hint=DISK_HINT)
    if "no such image" in text.lower():
        return ImageMissingError(text, hint=IMAGE_HINT)
    if error.status_code in (502, 503, 504):
        return DockerUnavailableError(text, hint=UNAVAILABLE_HINT)
    # Docker 20.10 answers 500 where later ones answer 409.
    states = ("is not paused", "already paused", "is not running")
    if error.status_code == 409 or any(state in text for state in states):
        return ContainerConflictError(text)
    if "unable to freeze" in text:
        return NotFrozenError(f"Docker could not freeze the container: {text}")
    return ContainerError(f"Docker refused: {text}")


def _text(error: Any) -> str:
    return str(error.explanation or error)[:1000]


class ContainerConflictError(ContainerError):
    """Raised when a name is taken, or the container's state does not allow the call."""

    code = "container_conflict"
