"""What git sees of the world: an environment made from nothing, and one remote with its token."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from paid.errors import BadInputError, ConfigurationError

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "fetch.recurseSubmodules": "false",
    "push.recurseSubmodules": "no",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "core.sharedRepository": "0644",
    "core.bigFileThreshold": "16m",
    "pack.threads": "2",
    "pack.windowMemory": "64m",
    "pack.deltaCacheSize": "64m",
}
"""Set for every command. Containers read the mirror as another user, hence the 0644. The last four
bound what packing takes: ten files of 100 MB beside one another, for each thread, by default."""


@dataclass(frozen=True)
class Access:
    """A remote repository, and the token for it (None: without)."""

    url: str
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse what is not plain https (or http on this machine), or carries a password."""
        parts = urlsplit(self.url)
        local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        if (parts.scheme != "https" and not local) or not parts.hostname:
            raise BadInputError(
                "The repository's address is not https.",
                hint="Plain http is accepted for this machine's loopback alone.",
            )
        if parts.username or parts.password or parts.query or parts.fragment:
            raise BadInputError("The repository's address carries more than a path.")

    @property
    def scheme(self) -> str:
        """https or http."""
        return urlsplit(self.url).scheme

    def settings(self) -> dict[str, str]:
        """Git settings for this address alone."""
        found = {f"protocol.{self.scheme}.allow": "always"}
        if self.token is not None:
            found[f"http.{self.url}.extraHeader"] = f"Authorization: Basic {self._basic()}"
        return found

    def secrets(self) -> tuple[str, ...]:
        """What must not be seen, in the shapes that a server could echo."""
        return () if self.token is None else (self.token, self._basic())

    def _basic(self) -> str:
        return base64.b64encode(f"x-access-token:{self.token}".encode()).decode()


@cache
def program() -> str:
    found = shutil.which("git")
    if found is None:
        raise ConfigurationError("git is not installed.", hint="Install git 2.38 or newer.")
    return found


def environment(
    repository: Path, access: Access | None, settings: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a command; nothing of ours is inherited but the proxy."""
    every = {**_SETTINGS, **(access.settings() if access else {}), **settings}
    environment = {
        "PATH": f"{Path(program()).parent}{os.pathsep}{os.defpath}",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_DIR": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_CONFIG_COUNT": str(len(every)),
    }
    for index, (key, value) in enumerate(every.items()):
        environment[f"GIT_CONFIG_KEY_{index}"] = key
        environment[f"GIT_CONFIG_VALUE_{index}"] = value
    if access is not None:
        environment.update(_proxies())
    return environment


def _proxies() -> dict[str, str]:
    names = {"http": "http_proxy", "https": "https_proxy", "no": "no_proxy"}
    return {names[kind]: url for kind, url in getproxies().items() if kind in names}
