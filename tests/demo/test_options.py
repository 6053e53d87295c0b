"""What `bin/demo` can be asked, and how it says no."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from paid.demo.folder import demo_settings
from paid.demo.options import Options, chosen_agent, parse
from paid.errors import ConfigurationError
from paid.settings import Settings

NO_KEYS = Settings.model_construct()


def test_without_a_terminal_it_stops_after_one_run() -> None:
    options = parse([])

    assert options.once
    assert options.issue == 1


@pytest.mark.parametrize(
    "arguments",
    [["--issue", "4"], ["--issue", "0"], ["--issue", "x"], ["--github", "a/b"], ["--nonsense"]],
)
def test_mistakes_end_with_a_usage_message(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)

    assert ended.value.code == 2
    assert "bin/demo" in capsys.readouterr().err


def test_on_github_it_waits_for_a_persons_label() -> None:
    assert parse(["--github", "a/b", "--real-model"]).issue is None


def test_a_real_model_needs_a_key() -> None:
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY or ANTHROPIC_API_KEY"):
        chosen_agent(Options(real_model=True), NO_KEYS)


def test_the_key_at_hand_chooses_the_agent() -> None:
    key = [SecretStr("k")]
    assert chosen_agent(Options(), NO_KEYS) == "codex"
    with_claude = Settings.model_construct(anthropic_api_key=key)
    with_both = Settings.model_construct(anthropic_api_key=key, openai_api_key=key)
    assert chosen_agent(Options(real_model=True), with_claude) == "claude-code"
    assert chosen_agent(Options(real_model=True), with_both) == "codex"
    assert chosen_agent(Options(agent="opencode"), with_both) == "opencode"


def test_the_users_servers_and_keys_stay_out_of_the_demo() -> None:
    found = Settings.model_construct(
        database_url=SecretStr("postgresql://real"),
        temporal_address="temporal.example:7233",
        openai_api_key=[SecretStr("real")],
        github_token=SecretStr("real"),
    )

    own = demo_settings(found)

    assert own.data_dir == found.data_dir.resolve() / "demo"
    assert own.database_url is None
    assert own.openai_api_key == []
    assert own.github_token is None
    assert "temporal_address" not in own.model_fields_set
