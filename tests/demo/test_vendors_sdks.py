"""The vendors' own SDKs accept what the scripted model says, streamed and not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from paid.demo.scripted_model import Fault, ScriptedModel

TASK = "Please resolve this: Hours are lost when a span also has minutes"
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
}


@pytest.fixture
def chat(model: ScriptedModel) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=model.key, base_url=f"{model.url}/v1", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(model: ScriptedModel) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=model.key, base_url=model.url, max_retries=0) as client:
        yield client


@pytest.fixture
def gemini(model: ScriptedModel) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=model.url)
    client = genai.Client(api_key=model.key, http_options=options)
    yield client
    client.close()


def chat_tool() -> Any:
    return {"type": "function", "function": {"name": "bash", "parameters": PARAMETERS}}


def claude_tool() -> Any:
    return {"name": "Bash", "input_schema": PARAMETERS}


def test_chat_completions_answers_with_a_tool_call(
    chat: openai.OpenAI, model: ScriptedModel
) -> None:
    answer = chat.chat.completions.create(
        model="gpt-5.2", messages=[{"role": "user", "content": TASK}], tools=[chat_tool()]
    )

    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert "cat timespan/parsing.py" in call.function.arguments
    assert answer.usage.prompt_tokens == model.bill()[0].input_tokens


def test_chat_completions_streams_words_call_and_usage(
    chat: openai.OpenAI, model: ScriptedModel
) -> None:
    chunks = list(
        chat.chat.completions.create(
            model="gpt-5.2",
            messages=[{"role": "user", "content": TASK}],
            tools=[chat_tool()],
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    words = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    pieces = [c.choices[0].delta.tool_calls for c in chunks if c.choices]
    arguments = "".join(p[0].function.arguments or "" for p in pieces if p)
    assert words.startswith("I'll start with")
    assert "cat timespan" in arguments
    assert chunks[-1].usage.completion_tokens == model.bill()[0].output_tokens


def test_chat_completions_reports_no_usage_in_a_stream_that_does_not_ask(
    chat: openai.OpenAI,
) -> None:
    chunks = chat.chat.completions.create(
        model="gpt-5.2", messages=[{"role": "user", "content": TASK}], stream=True
    )

    assert all(chunk.usage is None for chunk in chunks)


def test_responses_answers_with_a_function_call(chat: openai.OpenAI, model: ScriptedModel) -> None:
    tool: Any = {"type": "function", "name": "shell", "parameters": PARAMETERS, "strict": False}

    answer = chat.responses.create(model="gpt-5.2", input=TASK, tools=[tool])

    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"]
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer.usage.output_tokens_details.reasoning_tokens == model.bill()[0].reasoning_tokens


def test_responses_streams_to_its_completed_event(chat: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "name": "shell", "parameters": PARAMETERS, "strict": False}

    events = list(chat.responses.create(model="gpt-5.2", input=TASK, tools=[tool], stream=True))

    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert said == events[-1].response.output_text
    assert [e.sequence_number for e in events] == list(range(len(events)))


def test_anthropic_messages_answers_with_a_tool_use(
    claude: anthropic.Anthropic, model: ScriptedModel
) -> None:
    answer = claude.messages.create(
        model="claude-sonnet-5",
        max_tokens=1000,
        messages=[{"role": "user", "content": TASK}],
        tools=[claude_tool()],
    )

    entry = model.bill()[0]
    usage = answer.usage
    assert answer.stop_reason == "tool_use"
    assert [block.type for block in answer.content] == ["text", "tool_use"]
    assert entry.input_tokens == (
        usage.input_tokens + usage.cache_creation_input_tokens + usage.cache_read_input_tokens
    )


def test_anthropic_messages_stream_adds_up_to_the_same_message(
    claude: anthropic.Anthropic,
) -> None:
    with claude.messages.stream(
        model="claude-sonnet-5",
        max_tokens=1000,
        messages=[{"role": "user", "content": TASK}],
        tools=[claude_tool()],
    ) as stream:
        words = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert words == message.content[0].text
    assert message.content[1].input["command"].startswith("cat timespan")
    assert message.usage.output_tokens > 1


def test_anthropic_counts_tokens_without_charging(
    claude: anthropic.Anthropic, model: ScriptedModel
) -> None:
    counted = claude.messages.count_tokens(
        model="claude-sonnet-5", messages=[{"role": "user", "content": TASK}]
    )

    assert counted.input_tokens > 0
    assert model.bill() == []


def test_gemini_answers_with_a_function_call(gemini: genai.Client, model: ScriptedModel) -> None:
    declaration = types.FunctionDeclaration(
        name="run_shell_command", parameters_json_schema=PARAMETERS
    )
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declaration])])

    answer = gemini.models.generate_content(model="gemini-2.5-flash", contents=TASK, config=config)

    assert answer.function_calls[0].args["command"].startswith("cat timespan")
    assert answer.usage_metadata.prompt_token_count == model.bill()[0].input_tokens


def test_gemini_streams_words(gemini: genai.Client) -> None:
    stream = gemini.models.generate_content_stream(
        model="gemini-2.5-flash", contents="Scenario: nothing"
    )
    answers = list(stream)

    assert "".join(answer.text or "" for answer in answers)
    assert answers[-1].candidates[0].finish_reason == types.FinishReason.STOP
    assert answers[-1].usage_metadata.total_token_count > 0


def test_gemini_counts_tokens(gemini: genai.Client) -> None:
    counted = gemini.models.count_tokens(model="gemini-2.5-flash", contents=TASK)

    assert counted.total_tokens > 0


def test_each_vendor_lists_its_own_models(
    chat: openai.OpenAI, claude: anthropic.Anthropic, gemini: genai.Client
) -> None:
    assert all(model.id.startswith("gpt") for model in chat.models.list())
    assert all(model.id.startswith("claude") for model in claude.models.list())
    assert all("gemini" in model.name for model in gemini.models.list())


def test_a_wrong_key_is_each_vendors_own_error(model: ScriptedModel) -> None:
    with (
        openai.OpenAI(api_key="wrong", base_url=f"{model.url}/v1", max_retries=0) as chat,
        pytest.raises(openai.AuthenticationError),
    ):
        chat.models.list()
    with (
        anthropic.Anthropic(api_key="wrong", base_url=model.url, max_retries=0) as claude,
        pytest.raises(anthropic.AuthenticationError),
    ):
        claude.models.list()


def test_an_overloaded_vendor_is_the_error_that_its_sdk_knows(
    claude: anthropic.Anthropic, model: ScriptedModel
) -> None:
    model.fail(Fault("status", status=529))

    with pytest.raises(anthropic.InternalServerError, match="overloaded"):
        claude.messages.create(
            model="claude-sonnet-5", max_tokens=9, messages=[{"role": "user", "content": "hello"}]
        )


def test_a_rate_limit_carries_its_headers(chat: openai.OpenAI, model: ScriptedModel) -> None:
    model.fail(Fault("status", status=429, headers={"retry-after": "7"}))

    with pytest.raises(openai.RateLimitError) as refused:
        chat.responses.create(model="gpt-5.2", input="hello")

    assert refused.value.response.headers["retry-after"] == "7"


def test_a_faults_count_is_kept(chat: openai.OpenAI, model: ScriptedModel) -> None:
    model.fail(Fault("status", status=500, times=2))

    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            chat.responses.create(model="gpt-5.2", input="hello")

    assert chat.responses.create(model="gpt-5.2", input="hello").status == "completed"
