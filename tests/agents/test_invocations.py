"""How agents are started: argument lists, the gateway's address, the token's placeholder."""

from __future__ import annotations

import re

import pytest

from paid.agents import registry
from paid.agents.protocol import RUN_TOKEN, Invocation, Turn
from paid.errors import BadInputError, NotFoundError

NAMES = registry.names()
HOSTILE = "--help $(touch /tmp/x) `id` \"quoted\" 'and' \n--upload-pack=x 🙂"


def invoke(name: str, **changes: str) -> Invocation:
    argv = ("my-agent", "--flag") if name == "command" else ()
    return registry.get(name).invoke(Turn(prompt=HOSTILE, argv=argv, **changes))


@pytest.mark.parametrize("name", NAMES)
def test_the_prompt_is_no_argument(name: str) -> None:
    invocation = invoke(name)
    assert not any("touch /tmp/x" in word for word in invocation.argv)
    given = [invocation.stdin or "", *invocation.files.values()]
    assert any("touch /tmp/x" in text for text in given)


@pytest.mark.parametrize("name", NAMES)
def test_the_token_is_a_placeholder_alone_in_the_environment(name: str) -> None:
    invocation = invoke(name)
    assert RUN_TOKEN in invocation.env.values()
    elsewhere = [*invocation.argv, *invocation.files.values(), invocation.stdin or ""]
    assert not any(RUN_TOKEN in text for text in elsewhere)


@pytest.mark.parametrize("name", NAMES)
def test_every_address_is_the_gateways(name: str) -> None:
    invocation = invoke(name, gateway_url="http://127.0.0.1:9999")
    texts = [*invocation.argv, *invocation.env.values(), *invocation.files.values()]
    addresses = {url for text in texts for url in re.findall(r"https?://[^/\"' ]+", text)}
    assert addresses == {"http://127.0.0.1:9999"}


@pytest.mark.parametrize("name", [name for name in NAMES if name != "command"])
def test_the_chosen_model_is_asked_for(name: str) -> None:
    invocation = invoke(name, model="my-model-1")
    assert "my-model-1" in " ".join([*invocation.argv, *invocation.env.values()])


RETRIES = {
    "codex": (
        "request_max_retries=100",
        "stream_max_retries=100",
        "stream_idle_timeout_ms=2400000",
    ),
    "claude-code": ("CLAUDE_CODE_MAX_RETRIES=15", "API_TIMEOUT_MS=2400000"),
    "opencode": ('"timeout": false',),
    "gemini": ('"maxAttempts": 10', '"retryFetchErrors": true'),
    "qwen": ('"maxRetries": 20', '"timeout": 2400000'),
    "aider": ("DEFAULT_MAX_RETRIES=20",),
    "mini-swe-agent": ("MSWEA_MODEL_RETRY_STOP_AFTER_ATTEMPT=20",),
}


@pytest.mark.parametrize("name", RETRIES)
def test_an_agent_asks_again_as_often_as_it_can_be_told_to(name: str) -> None:
    """copilot has no setting for it; the forwarder holds its requests as it does all others'."""
    invocation = invoke(name)
    environment = [f"{key}={value}" for key, value in invocation.env.items()]
    files = [*invocation.files.values(), *registry.get(name).image.files.values()]
    told = "\n".join([*invocation.argv, *environment, *files])
    assert [word for word in RETRIES[name] if word not in told] == []


@pytest.mark.parametrize("name", NAMES)
def test_a_session_is_continued_where_the_agent_can(name: str) -> None:
    fresh, later = invoke(name), invoke(name, session_id="s-123")
    assert (fresh != later) is registry.get(name).continues


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_pins_exact_versions_and_says_its_licence(name: str) -> None:
    image = registry.get(name).image
    versions = [*image.npm.values(), *image.pip.values()]
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for version in versions)
    assert bool(versions) is (name != "command")
    assert bool(image.licence) is (name != "command")
    assert all(path.startswith("/etc/") for path in image.files)


@pytest.mark.parametrize("name", NAMES)
def test_files_stay_inside_home(name: str) -> None:
    paths = invoke(name).files
    assert all(not path.startswith("/") and ".." not in path for path in paths)


def test_an_unknown_agent_is_refused_with_the_names_that_exist() -> None:
    with pytest.raises(NotFoundError, match="codex"):
        registry.get("cursor")


def test_a_command_without_a_program_says_what_to_do() -> None:
    with pytest.raises(BadInputError, match="--agent-command"):
        registry.get("command").invoke(Turn(prompt="x"))
