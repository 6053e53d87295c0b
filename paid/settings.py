"""The only reader of the environment.

Every setting has a default that works on one machine with `paid up`; the same names point the
single programs at servers of one's own (`bin/temporal-worker` and its siblings,
docker-compose.yml).
"""

from __future__ import annotations

import os
import socket
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from paid.errors import ConfigurationError

TEMPORAL_PORT = 7233
_POSTGRESQL = frozenset({"postgresql", "postgres"})
KeyList = Annotated[list[SecretStr], NoDecode]


class Settings(BaseSettings):
    """Where things are, which servers to use, and the keys that never leave the host."""

    model_config = SettingsConfigDict(
        env_prefix="PAID_",
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,  # compose files and shells write NAME= for "not set"
    )

    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("paid"))
    cache_dir: Path = Field(default_factory=lambda: platformdirs.user_cache_path("paid"))
    host_name: str = Field(default_factory=socket.gethostname)

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """`postgresql://user:password@host:port/database`; None means the embedded PostgreSQL of this
    data folder."""
    temporal_address: str = Field(
        default="127.0.0.1:7233",
        validation_alias=AliasChoices("TEMPORAL_ADDRESS", "TEMPORAL_HOST"),
    )
    temporal_namespace: str = Field(default="default", validation_alias="TEMPORAL_NAMESPACE")
    temporal_task_queue: str = Field(default="paid", validation_alias="TEMPORAL_TASK_QUEUE")
    temporal_ui_url: str | None = None
    """Address of Temporal's own pages, linked from a run's page; None hides the link."""

    docker_host: str | None = Field(default=None, validation_alias="DOCKER_HOST")
    agent_image: str = "paid-agent"
    run_slots: int = Field(default=50, ge=1)
    """Runs at once on this host."""
    docker_wait_seconds: float = Field(default=600, ge=0)
    """How long a run waits for an engine that answers before it fails; a restart is shorter."""
    start_slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1)
    """Container starts at once: two a core readies the first soonest (design, decision 12)."""

    ca_bundle: Path | None = Field(
        default=None,
        validation_alias=AliasChoices(
            "PAID_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"
        ),
    )
    """Certificates that this host trusts beyond Debian's; copied into the images."""
    http_proxy: str | None = Field(default=None, validation_alias="HTTP_PROXY")
    https_proxy: str | None = Field(default=None, validation_alias="HTTPS_PROXY")
    no_proxy: str | None = Field(default=None, validation_alias="NO_PROXY")
    npm_registry: str | None = Field(default=None, validation_alias="NPM_CONFIG_REGISTRY")
    pip_index_url: str | None = Field(default=None, validation_alias="PIP_INDEX_URL")

    secret_key_file: Path | None = None
    """Keys for stored credentials, newest first; None means keys/secret.key of data_dir."""
    gateway_socket: Path | None = None
    """None means run/gateway/gateway.sock under data_dir."""
    hold_grace_seconds: float = Field(default=120, ge=0)
    """How long a request that met a cap waits for more money before it is answered with an error;
    the run is frozen meanwhile."""
    ahead_seconds: float = Field(default=0.5, ge=0)
    """How long a model request's money stays reserved ahead for a run that asks again and again;
    0 reserves nothing ahead."""
    quota_hold_seconds: float = Field(default=120, ge=0)
    """A vendor's limit that lasts longer than this parks the run."""
    vendor_read_seconds: float = Field(default=900, gt=0)
    """How long a vendor may be silent; reasoning models are, for minutes."""
    read_on_seconds: float = Field(default=20, ge=0)
    """How long the gateway reads on when a client has left before the vendor said what its answer
    costs. Without an end by then, what was reserved is charged; the vendor may bill meanwhile."""
    body_silent_seconds: float = Field(default=20, gt=0)
    """The longest pause within a model request's body; its sender is a process on this host."""
    largest_body_mib: int = Field(default=128, ge=1)
    egress_mib: int = Field(default=4096, ge=1)
    """What one run may move through the egress proxy, both ways together."""
    egress_registries: str = ""
    """Hosts, with blanks between, that the word `registries` means beside those that this host's
    own package clients know: for languages whose clients are in the image alone."""
    egress_private: str = ""
    """Hosts inside that runs may reach where a project lists them, each with the network it is in:
    `mirror.corp=10.20.0.0/16`. Read by `paid.gateway.private_hosts`."""

    anthropic_api_key: KeyList = Field(default=[], validation_alias="ANTHROPIC_API_KEY")
    openai_api_key: KeyList = Field(default=[], validation_alias="OPENAI_API_KEY")
    gemini_api_key: KeyList = Field(
        default=[], validation_alias=AliasChoices("GEMINI_API_KEY", "GOOGLE_API_KEY")
    )
    anthropic_base_url: str = Field(
        default="https://api.anthropic.com", validation_alias="ANTHROPIC_BASE_URL"
    )
    openai_base_url: str = Field(
        default="https://api.openai.com/v1", validation_alias="OPENAI_BASE_URL"
    )
    gemini_base_url: str = Field(
        default="https://generativelanguage.googleapis.com", validation_alias="GEMINI_BASE_URL"
    )

    github_token: SecretStr | None = Field(default=None, validation_alias="GITHUB_TOKEN")

    web_host: str = "127.0.0.1"
    web_port: int = Field(default=8400, ge=0, le=65535)
    web_url: str | None = None
    """The dashboard's address as people see it; None means http://web_host:web_port."""

    smtp_url: SecretStr | None = None
    """smtp://user:password@host:port for email notifications; None switches email off."""
    email_from: str = "paid@localhost"
    """The sender of email notifications."""
    allow_private_webhooks: bool = False
    """Whether notifications may go to addresses of private networks and of this machine."""

    @field_validator("anthropic_api_key", "openai_api_key", "gemini_api_key", mode="before")
    @classmethod
    def _several_keys_are_separated_by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return [key.strip() for key in value.split(",") if key.strip()]
        return value

    @field_validator("database_url")
    @classmethod
    def _the_database_is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        scheme, separator, _ = value.get_secret_value().partition("://") if value else ("", "", "")
        if value and (scheme.partition("+")[0] not in _POSTGRESQL or not separator):
            raise ValueError("it looks like postgresql://user:password@host:port/database")
        return value

    @field_validator("temporal_address")
    @classmethod
    def _temporals_port_has_a_default(cls, value: str) -> str:
        address = value.strip().removeprefix("http://").removeprefix("https://").rstrip("/")
        parts = urlsplit(f"//{address}")
        if not parts.hostname or parts.path:
            raise ValueError("it looks like host:port")
        return address if parts.port else f"{address}:{TEMPORAL_PORT}"

    @property
    def build_arguments(self) -> dict[str, str]:
        """This host's way to the network, for the builder stages of images; none of it stays."""
        values = {
            "HTTP_PROXY": self.http_proxy,
            "HTTPS_PROXY": self.https_proxy,
            "NO_PROXY": self.no_proxy,
            "NPM_CONFIG_REGISTRY": self.npm_registry,
            "PIP_INDEX_URL": self.pip_index_url,
        }
        return {name: value for name, value in values.items() if value}

    @cached_property
    def gateway_socket_path(self) -> Path:
        """The gateway's Unix socket; its folder is what containers get mounted."""
        return self.gateway_socket or self.data_dir / "run" / "gateway" / "gateway.sock"

    @cached_property
    def secret_key_path(self) -> Path:
        """The file with the Fernet keys, one a line, the newest first."""
        return self.secret_key_file or self.data_dir / "keys" / "secret.key"

    @cached_property
    def dashboard_url(self) -> str:
        """The dashboard's address without a slash at its end."""
        return (self.web_url or f"http://{self.web_host}:{self.web_port}").rstrip("/")

    @property
    def vendors_with_keys(self) -> tuple[str, ...]:
        """Names of the model vendors whose keys are set."""
        given = {
            "anthropic": self.anthropic_api_key,
            "openai": self.openai_api_key,
            "gemini": self.gemini_api_key,
        }
        return tuple(vendor for vendor, keys in given.items() if keys)

    def changed(self, **changes: Any) -> Self:
        """A copy with other values; what was worked out from the old ones is forgotten."""
        copy = self.model_copy(update=changes)
        for name in ("gateway_socket_path", "secret_key_path", "dashboard_url"):
            copy.__dict__.pop(name, None)
        return copy

    def as_environment(self) -> dict[str, str]:
        """The settings as variables, so that a child process reads the same. Holds secrets."""
        written = {}
        for name, field in type(self).model_fields.items():
            alias = field.validation_alias
            chosen = alias.choices[0] if isinstance(alias, AliasChoices) else alias
            value = _as_text(getattr(self, name))
            if value is not None:
                written[str(chosen or f"PAID_{name.upper()}")] = value
        return written


def _as_text(value: Any) -> str | None:
    if value is None or value == []:
        return None
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(str(_as_text(item)) for item in value)
    return str(value)


def child_environment(
    settings: Settings, *, withheld: frozenset[str] = frozenset()
) -> dict[str, str]:
    """This process's environment with the settings written over it, for a child process.

    `withheld` names settings that the child has no need of, such as keys.
    """
    environment = dict(os.environ)
    for name in withheld:
        alias = Settings.model_fields[name].validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [alias]
        for each in [*names, f"PAID_{name.upper()}"]:
            environment.pop(str(each), None)
    return environment | settings.changed(**_nothing(withheld)).as_environment()


def _nothing(names: frozenset[str]) -> dict[str, None]:
    return dict.fromkeys(names)


def load_settings() -> Settings:
    """Read the environment once; called by programs, never at import.

    Raises ConfigurationError, which names the variables and never what they hold.
    """
    try:
        return Settings()
    except ValidationError as error:
        told = "; ".join(
            f"{_variable(found['loc'])}: {found['msg'].removeprefix('Value error, ')}"
            for found in error.errors()
        )
        raise ConfigurationError(
            f"A setting in the environment cannot be used: {told}.",
            hint="Correct the variable, or unset it: every setting has a default.",
        ) from None


def _variable(place: tuple[int | str, ...]) -> str:
    """The variable's name for where a value was refused: the field's own name, or its alias."""
    name = str(place[0])
    return f"PAID_{name.upper()}" if name in Settings.model_fields else name
