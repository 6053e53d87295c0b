"""The agent images: `python -m paid.containers.images build [agent …]`.

A second build of the same content finds its tag and is done. Tags: `paid-rootfs` and `paid-tools`
(what agents stand on), `paid-base` (tools and paid-step), `paid-agent-NAME` (one agent on them).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from paid.agents import registry
from paid.containers import recipe as recipes
from paid.containers import rootfs
from paid.containers.docker_api import DockerApi
from paid.containers.image_store import ImageRow, ImageStore, Progress
from paid.containers.recipe import Recipe
from paid.errors import ContainerError, PaidError
from paid.settings import Settings, load_settings

OURS = ("paid-base:", "paid-agent-", "paid-tools:", "paid-rootfs:")
DEFAULT_AGENT = "codex"
HOST_AUTHORITIES = Path("/usr/local/share/ca-certificates")


def base_image_ref() -> str:
    """The image without an agent."""
    return f"paid-base:{recipes.base_hash()}"


def agent_image_ref(name: str) -> str:
    """The image of an agent, as this version of Paid would build it."""
    recipe = registry.get(name).image
    if not (recipe.npm or recipe.pip or recipe.apt or recipe.files):
        return base_image_ref()
    return image_ref(name, recipe)


def image_ref(name: str, recipe: Recipe) -> str:
    """The image of a recipe."""
    version = recipe.version or "0"
    return f"paid-agent-{name}:{version}-{recipes.agent_hash(recipe)}"


class Images:
    """Builds what is missing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.store = ImageStore(DockerApi(settings))

    def build_base(self, progress: Progress = print) -> str:
        """Make the image without an agent, and all that it stands on; returns its reference."""
        reference = base_image_ref()
        if not self.store.exists(reference):
            tools = self._tools(progress)
            self._build(reference, recipes.base_dockerfile(tools), self._step(), progress)
        return reference

    def build_agent(self, name: str, recipe: Recipe, progress: Progress = print) -> str:
        """Make an agent's image from its recipe; returns its reference.

        The base image comes along: workspaces are prepared in it.
        """
        self.build_base(progress)
        reference = image_ref(name, recipe)
        if not self.store.exists(reference):
            files = {f"files/{path.lstrip('/')}": text for path, text in recipe.files.items()}
            contents = {**self._step(), **{path: text.encode() for path, text in files.items()}}
            dockerfile = recipes.agent_dockerfile(self._tools(progress), recipe)
            labels = {"paid.agent": name, "paid.agent.version": recipe.version}
            self._build(reference, dockerfile, contents, progress, labels)
        return reference

    def build_named(self, name: str, progress: Progress = print) -> str:
        """Make the image of an agent that the registry knows."""
        if agent_image_ref(name) == base_image_ref():
            return self.build_base(progress)
        return self.build_agent(name, registry.get(name).image, progress)

    def list_images(self) -> list[ImageRow]:
        """All images of Paid on this engine, with their sizes."""
        return self.store.listing()

    def prune(self) -> list[str]:
        """Remove images of earlier versions; those that a container uses stay."""
        current = {base_image_ref(), *(agent_image_ref(name) for name in registry.names())}
        current |= {f"paid-tools:{recipes.tools_hash()}", f"paid-rootfs:{recipes.rootfs_hash()}"}
        removed = []
        for row in self.store.listing():
            if row.reference not in current and row.reference.startswith(OURS):
                with suppress(ContainerError):
                    self.store.remove(row.reference)
                    removed.append(row.reference)
        return removed

    def _tools(self, progress: Progress) -> str:
        reference = f"paid-tools:{recipes.tools_hash()}"
        if not self.store.exists(reference):
            contents = {"gitconfig": recipes.GITCONFIG.encode(), **self._authorities()}
            root = self._root(progress)
            self._build(reference, recipes.TOOLS, contents, progress, arguments={"ROOTFS": root})
        return reference

    def _root(self, progress: Progress) -> str:
        """Debian with our tools: from a registry where one answers, else by debootstrap."""
        reference = f"paid-rootfs:{recipes.rootfs_hash()}"
        if self.store.exists(reference):
            return reference
        progress("Getting Debian")
        if self.store.pull(f"debian:{recipes.SUITE}-slim"):
            self._build(reference, recipes.ROOTFS, self._authorities(), progress)
        else:
            progress("No registry answers: bootstrapping Debian from this host's package source")
            rootfs.make(lambda stream: self.store.load_root(stream, reference), progress)
        return reference

    def _build(
        self,
        reference: str,
        dockerfile: str,
        contents: Mapping[str, bytes],
        progress: Progress,
        labels: Mapping[str, str] | None = None,
        arguments: Mapping[str, str] | None = None,
    ) -> None:
        progress(f"Building {reference}")
        self.store.build(
            recipes.context(dockerfile, contents),
            reference,
            {**self._settings.build_arguments, **(arguments or {})},
            {"paid": "1", **(labels or {})},
            progress,
        )

    def _step(self) -> dict[str, bytes]:
        return {f"opt-paid/{path}": text.encode() for path, text in recipes.step_files().items()}

    def _authorities(self) -> dict[str, bytes]:
        """The host's certificate bundle, where the host trusts more than Debian does."""
        bundle = self._settings.ca_bundle
        if bundle is None and any(HOST_AUTHORITIES.glob("*.crt")):
            bundle = Path(recipes.CA_FILE)
        if bundle is None or not bundle.is_file():
            return {}
        return {"ca/ca-certificates.crt": bundle.read_bytes()}


def main(argv: list[str] | None = None) -> int:
    """Build images, or list them; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m paid.containers.images")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build the agent images that are missing")
    build.add_argument("agents", nargs="*", default=[DEFAULT_AGENT])
    commands.add_parser("list", help="list the images with their sizes")
    commands.add_parser("prune", help="remove the images of earlier versions")
    arguments = parser.parse_args(argv)
    images = Images(load_settings())
    try:
        for line in _do(images, arguments.command, getattr(arguments, "agents", ())):
            sys.stdout.write(line + "\n")
    except PaidError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _do(images: Images, command: str, agents: Sequence[str]) -> Iterator[str]:
    """Carry a command out and say what it led to, line by line."""
    if command == "list":
        for row in images.list_images():
            yield f"{row.reference}\t{row.size_bytes / 1e6:.0f} MB"
    elif command == "prune":
        yield from images.prune()
    else:
        images.build_base(_to_stderr)
        for name in agents:
            yield images.build_named(name, _to_stderr)


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
