"""Images on the engine: built, imported, listed, removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any

from paid.containers.docker_api import DockerApi
from paid.errors import ContainerError, ContainerLostError, ImageMissingError
from paid.plain import plain

BUILD_SECONDS = 3600
"""A build may be silent for long while packages are fetched."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ImageRow:
    """One image of Paid's."""

    reference: str
    image_id: str
    size_bytes: int
    labels: Mapping[str, str]


class ImageStore:
    """The images of one engine."""

    def __init__(self, api: DockerApi) -> None:
        self._api = api

    def exists(self, reference: str) -> bool:
        """Whether the engine has this image."""
        try:
            with self._api.client() as client:
                client.inspect_image(reference)
        except (ImageMissingError, ContainerLostError):
            return False
        return True

    def pull(self, reference: str) -> bool:
        """Get an image from its registry; False when none answers."""
        repository, _, tag = reference.partition(":")
        try:
            with self._api.client() as client:
                for event in client.pull(repository, tag=tag, stream=True, decode=True):
                    if "error" in event:
                        return False
        except ContainerError:
            return False
        return self.exists(reference)

    def load_root(self, stream: IO[bytes], reference: str) -> None:
        """Make an image of one layer from a tar of a root file system."""
        repository, _, tag = reference.partition(":")
        with self._api.client() as client:
            answer = client.import_image_from_stream(stream, repository=repository, tag=tag)
        if "error" in answer:
            raise ContainerError(f"The root file system was refused: {answer[-500:]}")

    def build(
        self,
        context: IO[bytes],
        reference: str,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        progress: Progress,
    ) -> None:
        """Build an image; `progress` gets its output line by line.

        The build shares the host's network, because a name server or a proxy on the host's
        loopback is out of reach from the engine's bridge.
        """
        with self._api.client() as client:
            events = client.build(
                fileobj=context,
                custom_context=True,
                tag=reference,
                buildargs=dict(arguments),
                labels=dict(labels),
                network_mode="host",
                rm=True,
                forcerm=True,
                decode=True,
                timeout=BUILD_SECONDS,
            )
            for event in events:
                _tell(event, reference, progress)

    def listing(self) -> list[ImageRow]:
        """All images that Paid has built here."""
        with self._api.client() as client:
            found: list[dict[str, Any]] = client.images(filters={"label": "paid=1"})
        return [
            ImageRow(tag, image["Id"], image["Size"], image["Labels"] or {})
            for image in found
            for tag in image["RepoTags"] or []
            if tag != "<none>:<none>"
        ]

    def remove(self, reference: str) -> None:
        """Remove an image; one that is not there is no error."""
        try:
            with self._api.client() as client:
                client.remove_image(reference)
        except (ImageMissingError, ContainerLostError):
            return


def _tell(event: Mapping[str, Any], reference: str, progress: Progress) -> None:
    if "error" in event:
        raise ContainerError(
            f"Building {reference} failed: {str(event['error'])[:1000]}",
            hint="The lines above say what went wrong; often it is the network or a proxy.",
        )
    for line in str(event.get("stream", "")).split("\n"):
        shown = plain(line.rstrip().rpartition("\r")[2])  # what a terminal would be left with
        if shown:
            progress(shown)
