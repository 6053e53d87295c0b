"""Which agents there are, which are installed on this host's engine, and how to install one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from paid.agents import registry
from paid.containers.images import Images, agent_image_ref
from paid.errors import DockerUnavailableError
from paid.settings import Settings


@dataclass(frozen=True)
class AgentRow:
    """One line of `paid agent list`.

    `size_bytes` is the whole image's and None when it is not installed. `installed` None means that
    the engine did not answer.
    """

    name: str
    version: str
    installed: bool | None
    size_bytes: int | None
    licence: str
    proprietary: bool
    wires: tuple[str, ...]
    note: str


def install(name: str, settings: Settings, progress: Callable[[str], None]) -> str:
    """Build the agent's image unless it is there, and return its reference.

    Raises NotFoundError for an unknown agent and the errors of paid.containers for the rest.
    """
    registry.get(name)
    images = Images(settings)
    images.build_base(progress)
    return images.build_named(name, progress)


def listing(settings: Settings) -> list[AgentRow]:
    """Every agent, the default first."""
    sizes = _sizes(settings)
    return [_row(name, sizes) for name in registry.names()]


def _sizes(settings: Settings) -> dict[str, int] | None:
    """The size of each image of Paid by its reference; None when the engine does not answer."""
    try:
        return {row.reference: row.size_bytes for row in Images(settings).list_images()}
    except DockerUnavailableError:
        return None


def _row(name: str, sizes: dict[str, int] | None) -> AgentRow:
    agent = registry.get(name)
    size = None if sizes is None else sizes.get(agent_image_ref(name))
    return AgentRow(
        name=name,
        version=agent.image.version,
        installed=None if sizes is None else size is not None,
        size_bytes=size,
        licence=agent.image.licence,
        proprietary=agent.image.proprietary,
        wires=tuple(str(wire) for wire in agent.wires),
        note=agent.image.note,
    )
