"""The environment's odd values: told in a sentence, never with what they hold."""

from __future__ import annotations

import pytest

from paid.errors import ConfigurationError
from paid.settings import load_settings


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "TEMPORAL_HOST", "PAID_RUN_SLOTS", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    settings = load_settings()
    assert settings.database_url is None
    assert settings.temporal_address == "127.0.0.1:7233"
    assert settings.run_slots == 50
    assert settings.openai_base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAID_RUN_SLOTS", "many"),
        ("PAID_WEB_PORT", "99999"),
        ("DATABASE_URL", "mysql://somebody:many@host/paid"),
        ("DATABASE_URL", "many"),
        ("TEMPORAL_ADDRESS", "host:many"),
        ("TEMPORAL_ADDRESS", "host:99999"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_by_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as raised:
        load_settings()
    assert name in raised.value.message
    assert "somebody" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("temporal", "temporal:7233"),
        ("temporal:7000", "temporal:7000"),
        ("http://temporal:7233/", "temporal:7233"),
        ("[::1]", "[::1]:7233"),
    ],
)
def test_temporals_address_may_leave_out_its_port(
    given: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.setenv("TEMPORAL_HOST", given)
    assert load_settings().temporal_address == address
