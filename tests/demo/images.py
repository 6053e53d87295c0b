"""The images that a whole run needs."""

from __future__ import annotations

from paid.containers.images import Images, agent_image_ref
from paid.errors import DockerUnavailableError
from paid.settings import load_settings
from tests.conftest import missing


def need_codex() -> None:
    """Skip, or in CI fail, where codex's image is not built."""
    try:
        found = {row.reference for row in Images(load_settings()).list_images()}
    except DockerUnavailableError as error:
        missing(str(error))
    if agent_image_ref("codex") not in found:
        missing("the image of codex is not built; run bin/setup")
