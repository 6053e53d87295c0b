"""The only reader of the environment.

Every setting has a default that works on one machine with `paid up`; the same names point the
single programs at servers of one's own (`bin/worker` and its siblings, docker-compose.yml).
"""

from __future__ import annotations

import os
import socket
from functools import cached_property
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

KeyList = Annotated[list[SecretStr], NoDecode]


class Settings(BaseSettings):
    """Where things are, which servers to use, and the keys that never leave the host."""

    model_config = SettingsConfigDict(env_prefix="PAID_", extra="ignore", populate_by_name=True)

    data_dir: Path = Field(default_factory=lambda: platformdirs.user_data_path("paid"))
    cache_dir: Path = Field(default_factory=lambda: platformdirs.user_cache_path("paid"))
    host_name: str = Field(default_factory=socket.gethostname)

    database_url: SecretStr | None = Field(default=None, validation_alias="DATABASE_URL")
    """None means the embedded PostgreSQL of this data folder."""
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
    start_slots: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1)
    """Container starts at once: two a core readies the first soonest (design, decision 12)."""

    secret_key_file: Path | None = None
    """Keys for stored credentials, newest first; None means keys/secret.key of data_dir."""
    gateway_socket: Path | None = None
    """None means run/gateway/gateway.sock under data_dir."""

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

    @field_validator("anthropic_api_key", "openai_api_key", "gemini_api_key", mode="before")
    @classmethod
    def _several_keys_are_separated_by_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return [key.strip() for key in value.split(",") if key.strip()]
        return value

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


def load_settings() -> Settings:
    """Read the environment once; called by programs, never at import."""
    return Settings()
