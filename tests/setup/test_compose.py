"""docker-compose.yml, read as strictly as Compose reads it, and held to what it promises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import AliasChoices

from paid.health import CHECKS
from paid.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PARTS = {"gateway", "worker", "jobs", "web"}
OURS = PARTS | {"migrate"}
SERVERS = {"postgres", "temporal-database", "temporal", "temporal-namespace", "temporal-ui"}
ONE_OFF = {"migrate", "temporal-database", "temporal-namespace"}

# The fields of the Compose specification that this file uses, and what may stand in them.
TOP = {"name", "services", "volumes", "networks"}
SERVICE: dict[str, type | tuple[type, ...]] = {
    "build": dict,
    "cap_add": list,
    "cap_drop": list,
    "command": list,
    "depends_on": dict,
    "entrypoint": list,
    "environment": dict,
    "healthcheck": dict,
    "image": str,
    "init": bool,
    "networks": list,
    "ports": list,
    "read_only": bool,
    "restart": str,
    "security_opt": list,
    "shm_size": str,
    "stop_grace_period": str,
    "tmpfs": list,
    "volumes": list,
}
HEALTH = {"test", "interval", "timeout", "retries", "start_period"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
INTERPOLATION = re.compile(r"\$\{([A-Z_]+)(?:(:?[-?+])([^}]*))?\}")
DURATION = re.compile(r"(?:\d+(?:h|m|s|ms))+")


class StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key given twice, as Compose does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = [key.value for key, _ in node.value]
        assert len(given) == len(set(given)), f"given twice: {given}"
        return super().construct_mapping(node, deep)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    text = FILE.read_text()
    loaded = yaml.load(text, Loader=StrictLoader)  # noqa: S506 - it is a safe loader
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found = compose["services"]
    assert isinstance(found, dict)
    return found


def setting_names() -> set[str]:
    names = set()
    for field, info in Settings.model_fields.items():
        alias = info.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names |= {str(each) for each in choices if each} or {f"PAID_{field.upper()}"}
    return names


def test_it_holds_only_fields_that_compose_knows(compose: dict[str, Any]) -> None:
    assert {key for key in compose if not key.startswith("x-")} <= TOP
    for name, service in compose["services"].items():
        for field, value in service.items():
            assert isinstance(value, SERVICE[field]), f"{name}.{field}"


def test_the_team_has_every_part(services: dict[str, Any]) -> None:
    assert set(services) == OURS | SERVERS


def test_every_interpolation_is_well_formed(compose: dict[str, Any]) -> None:
    text = FILE.read_text()
    assert text.count("${") == len(INTERPOLATION.findall(text))
    required = {name for name, mark, _ in INTERPOLATION.findall(text) if mark == ":?"}
    assert required == {"POSTGRES_PASSWORD"}


def test_every_variable_of_ours_is_a_setting(services: dict[str, Any]) -> None:
    for name in OURS:
        assert set(services[name]["environment"]) <= setting_names(), name


def test_values_become_settings(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        with monkeypatch.context() as environment:
            for key, value in services[name]["environment"].items():
                if value is None:  # taken from .env where it is there, else not set at all
                    environment.delenv(key, raising=False)
                    continue
                environment.setenv(key, INTERPOLATION.sub(lambda found: found[3], value))
            settings = Settings()
            assert settings.database_url is not None
            assert "@postgres:5432/paid" in settings.database_url.get_secret_value()
            assert settings.temporal_address == "temporal:7233"
            assert settings.cache_dir.is_relative_to(settings.data_dir)


def test_only_the_dashboard_is_published_and_only_on_loopback(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8400:8400"]}
    assert services["web"]["environment"]["PAID_WEB_PORT"] == "8400"


def test_servers_cannot_reach_the_world_nor_be_reached(
    compose: dict[str, Any], services: dict[str, Any]
) -> None:
    assert compose["networks"]["backend"] == {"internal": True}
    for name in SERVERS:
        assert services[name]["networks"] == ["backend"]


def test_model_keys_reach_the_gateway_alone(services: dict[str, Any]) -> None:
    holders = {
        name
        for name, service in services.items()
        if any(key.endswith("_API_KEY") for key in service["environment"])
    }
    assert holders == {"gateway"}


def test_only_what_starts_containers_has_the_engine(services: dict[str, Any]) -> None:
    holders = {
        name for name, service in services.items() if "docker.sock" in str(service.get("volumes"))
    }
    assert holders == {"worker", "jobs"}


def test_ours_are_locked_down(services: dict[str, Any]) -> None:
    for name in OURS:
        service = services[name]
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "privileged" not in service
    assert "cap_add" not in services["web"]


def test_the_data_folder_has_one_path_inside_and_outside(services: dict[str, Any]) -> None:
    for name in OURS:
        data = services[name]["volumes"][0]
        assert data["source"] == data["target"] == "${PAID_DATA_DIR:-/var/lib/paid}"


def test_whatever_keeps_running_has_a_health_check(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if name in ONE_OFF:
            continue
        check = service["healthcheck"]
        assert set(check) <= HEALTH
        assert check["test"][0] == "CMD"
        for field in {"interval", "timeout", "start_period"} & set(check):
            assert DURATION.fullmatch(check[field])


def test_our_health_checks_exist(services: dict[str, Any]) -> None:
    for name in PARTS:
        assert services[name]["healthcheck"]["test"][1:] == ["python", "-m", "paid.health", name]
        assert name in CHECKS


def test_dependencies_exist_and_can_come_true(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            assert other in services, name
            assert wanted["condition"] in CONDITIONS
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other]
            assert (wanted["condition"] == "service_completed_successfully") == (other in ONE_OFF)


def test_every_image_has_a_version(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+", service["image"]), name
        assert not service["image"].endswith(":latest")
    assert (ROOT / services["migrate"]["build"]["dockerfile"]).is_file()


def test_what_is_mounted_from_here_is_here(services: dict[str, Any]) -> None:
    for service in services.values():
        for mount in service.get("volumes", []):
            if isinstance(mount, str) and mount.startswith("./"):
                assert (ROOT / mount.split(":")[0]).exists()
                assert mount.endswith(":ro")


def test_the_image_copies_only_what_exists_and_is_not_ignored() -> None:
    dockerfile = (ROOT / "deploy" / "Dockerfile").read_text()
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ")]
    names = {name for line in copied if not line[0].startswith("--from") for name in line}
    assert all(any(Path(name).is_relative_to(it) for it in allowed) for name in names)
    assert all((ROOT / name).exists() for name in names)
