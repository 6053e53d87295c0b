"""What a request may bring beside its bytes: by the protocol's grammar, from decoded values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paid.gateway.estimate import WANTED, Ask, read_ask
from paid.gateway.prices import Prices
from paid.gateway.refusal import RefusedError
from paid.gateway.routes import find_route
from paid.gateway.scan import BadBodyError
from paid.gateway.scanner import Scanner
from paid.gateway.spool import Spool
from tests.gateway.conftest import ANTHROPIC, CHAT, GEMINI, RESPONSES

FIRST: dict[str, dict[str, Any]] = {
    ANTHROPIC: {"model": "claude-sonnet-4-6", "max_tokens": 10},
    CHAT: {"model": "gpt-5", "max_tokens": 10},
    RESPONSES: {"model": "gpt-5", "max_output_tokens": 10},
    GEMINI: {},
}


def read(path: str, body: bytes, *, step: int | None = None, beta: str = "") -> Ask:
    """What is asked for, by the quick reader or by the one that reads what comes piece by piece."""
    route, spool = find_route("POST", path), Spool()
    quick = {} if step is None else {"quick_bytes": -1}
    scanner = Scanner(WANTED[route.wire], route.wire, **quick)
    for start in range(0, len(body), step or len(body)):
        piece = body[start : start + (step or len(body))]
        spool.write(piece)
        scanner.feed(piece)
    spool.close()
    return read_ask(route, scanner.finish(), spool, beta)


def ask(path: str, members: dict[str, Any] | str, **values: Any) -> Ask:
    """Of members beside the usual ones; a text is written into the body as it is."""
    if isinstance(members, str):
        first = json.dumps(FIRST[path])[:-1]
        body = (first + (", " if FIRST[path] else "") + members + "}").encode()
    else:
        body = json.dumps(FIRST[path] | members).encode()
    found = read(path, body, **values)
    assert found == read(path, body, step=7, **values)
    return found


def user(*parts: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


def item(*items: Any) -> dict[str, Any]:
    return {"input": list(items)}


def part(*parts: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def said(*parts: Any) -> dict[str, Any]:
    return item({"role": "user", "content": list(parts)})


STORED = {"type": "file", "file_id": "file_1"}
UNSEEN: list[tuple[str, dict[str, Any] | str]] = [
    (ANTHROPIC, user({"type": "document", "source": STORED})),
    (ANTHROPIC, user({"type": "image", "source": STORED})),
    (ANTHROPIC, user({"type": "image", "source": {"file_id": "file_1"}})),
    (ANTHROPIC, user({"type": "container_upload", "file_id": "file_1"})),
    (ANTHROPIC, user({"type": "of_next_year", "text": "x"})),
    (ANTHROPIC, user({"text": "a block without a type"})),
    (ANTHROPIC, user({"type": "tool_result", "content": [{"type": "document", "source": STORED}]})),
    (ANTHROPIC, {"messages": [], "system": [{"type": "document", "source": STORED}]}),
    (ANTHROPIC, '"messages":[{"role":"user","content":[{"t\\u0079pe":"document",'
                '"sourc\\u0065":{"type":"\\u0066ile","file\\u005fid":"f"}}]}]'),
    (ANTHROPIC, {"messages": [], "thread": {"id": "t"}}),
    (CHAT, user({"type": "file", "file": {"file_id": "file_1"}})),
    (CHAT, user({"type": "file", "file": {"file_data": "UEsDBBQ=", "filename": "a.docx"}})),
    (CHAT, user({"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}})),
    (CHAT, user({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})),
    (CHAT, user([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}])),
    (CHAT, {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]}),
    (RESPONSES, item({"id": "msg_1"})),
    (RESPONSES, item({"id": "msg_1", "type": None})),
    (RESPONSES, item({"id": "msg_1", "role": "assistant"})),
    (RESPONSES, item({"id": "msg_1", "role": "assistant", "content": []})),
    (RESPONSES, item({"id": "msg_1", "type": "message", "content": ""})),
    (RESPONSES, item({"type": "item_reference", "id": "msg_1"})),
    (RESPONSES, item({"type": "item\\u005freference", "id": "msg_1"})),
    (RESPONSES, '"input":[{"type":"item\\u005freference","id":"msg_1"}]'),
    (RESPONSES, '"input":[{"\\u0069d":"msg_1"}]'),
    (RESPONSES, item({"type": "reasoning", "id": "rs_1", "summary": []})),
    (RESPONSES, item({"type": "reasoning", "id": "rs_1", "encrypted_content": None})),
    (RESPONSES, item({"type": "reasoning", "id": "rs_1", "encrypted_content": ""})),
    (ANTHROPIC, {"messages": [], "system": [{"role": "x", "type": "document", "source": STORED}]}),
    (RESPONSES, item({"type": "function_call", "id": "fc_1"})),
    (RESPONSES, item({"type": "custom_tool_call", "id": "ctc_1", "input": ""})),
    (RESPONSES, item({"type": "compaction", "id": "cmp_1"})),
    (RESPONSES, item({"type": "web_search_call", "id": "ws_1", "status": "completed"})),
    (RESPONSES, item({"type": "image_generation_call", "id": "ig_1", "result": None})),
    (RESPONSES, item({"type": "computer_call", "id": "cu_1", "call_id": "c"})),
    (RESPONSES, item({"type": "apply_patch_call_output", "id": "a", "call_id": "c"})),
    (RESPONSES, item({"type": "function_call", "id": "f", "arguments": " "})),
    (RESPONSES, item({"type": "reasoning", "id": "rs_1", "encrypted_content": " "})),
    (RESPONSES, item({"type": "compaction", "id": "cmp_1", "encrypted_content": "\n"})),
    (ANTHROPIC, user({"type": "text", "text": "x", "source": {"type": "url", "url": "https://x"}})),
    (CHAT, user({"type": "text", "text": "x", "image_url": {"url": "https://x.example"}})),
    (RESPONSES, item({"type": "mcp_call", "id": "mcp_1"})),
    (RESPONSES, item({"type": "computer_call_output",
                      "output": {"type": "computer_screenshot", "file_id": "file_1"}})),
    (RESPONSES, item({"type": "function_call_output", "call_id": "c",
                      "output": [{"type": "input_file", "file_id": "file_1"}]})),
    (RESPONSES, said({"type": "input_file", "file_id": "file_1"})),
    (RESPONSES, said({"type": "input_image", "file_id": "file_1"})),
    (RESPONSES, {"input": "x", "previous_response_id": "resp_1"}),
    (RESPONSES, {"input": "x", "conversation": "conv_1"}),
    (RESPONSES, {"input": "x", "conversation": {"id": "conv_1"}}),
    (GEMINI, part({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1/files/a"}})),
    (GEMINI, part({"file_data": {"mime_type": "image/png", "file_uri": "gs://a/b"}})),
    (GEMINI, part({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}})),
    (GEMINI, part({"inline_data": {"mime_type": "video/mp4", "data": "AAAA"}})),
    (GEMINI, part({"inlineData": {"data": "AAAA"}})),
    (GEMINI, part({"ofNextYear": {"id": "x"}})),
    (GEMINI, {"contents": {"parts": {"fileData": {"fileUri": "files/a"}}}}),
    (GEMINI, {"contents": [], "system_instruction": {"parts": [{"fileData": {"fileUri": "gs://a"}}]}}),
    (GEMINI, part({"functionResponse": {"name": "f", "parts": [{"fileData": {"fileUri": "gs://a"}}]}})),
]  # fmt: skip


@pytest.mark.parametrize(("path", "members"), UNSEEN)
def test_what_is_stored_implied_or_unknown_may_fill_the_window(
    path: str, members: dict[str, Any] | str, tmp_path: Any
) -> None:
    found = ask(path, members)
    route = find_route("POST", path)
    tariff = Prices(tmp_path / "prices.json").tariff(route.vendor, found.model)
    assert found.reads_unseen
    assert found.input_tokens(tariff) >= tariff.context_window


WORDS = ["source", "document", "file_id", "image", "input_file", "item_reference", "1h", "fileData"]
SCHEMA = {
    "type": "object",
    "properties": {word: {"type": "string", "enum": WORDS} for word in WORDS}
    | {"type": {"type": "string", "enum": ["document", "image_url"]}, "Type": {"type": "string"}},
}
SAID = json.dumps({"type": "document", "source": STORED, "cache_control": {"ttl": "1h"}})
SEEN: list[tuple[str, dict[str, Any] | str]] = [
    (ANTHROPIC, {"messages": [], "tools": [{"name": "f", "input_schema": SCHEMA}]}),
    (ANTHROPIC, user({"type": "text", "text": SAID})),
    (ANTHROPIC, user({"type": "tool_use", "id": "t", "name": "f", "input": json.loads(SAID)})),
    (ANTHROPIC, user({"type": "tool_result", "tool_use_id": "t", "content": SAID})),
    (ANTHROPIC, user({"type": "search_result", "source": "https://a.example", "title": "t",
                      "content": [{"type": "text", "text": "x"}]})),
    (ANTHROPIC, user({"type": "thinking", "thinking": "", "signature": "x"},
                     {"type": "redacted_thinking", "data": "x"})),
    (ANTHROPIC, user({"type": "document", "source": {"type": "text", "media_type": "text/plain",
                                                     "data": "words"}})),
    (ANTHROPIC, '"messages":[{"role":"user","content":"one \\u007f, \\u0041 and \\u0000 in it"}]'),
    (ANTHROPIC, {"messages": [], "system": [{"type": "text", "text": "x", "cache_control":
                 {"type": "ephemeral"}}]}),
    (ANTHROPIC, {"messages": [], "metadata": {"user_id": "file_id"}}),
    (CHAT, {"messages": [], "tools": [{"type": "function", "function": {"name": "f",
            "parameters": SCHEMA}}]}),
    (CHAT, {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c",
            "type": "function", "function": {"name": "f", "arguments": SAID}}]}]}),
    (CHAT, {"messages": [{"role": "tool", "tool_call_id": "c", "content": SAID}]}),
    (CHAT, {"messages": [{"role": "assistant", "content": "x", "annotations":
            [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}]}]}),
    (CHAT, {"messages": [], "response_format": {"type": "json_schema", "json_schema": SCHEMA}}),
    (RESPONSES, {"input": SAID, "tools": [{"type": "function", "name": "f",
                                           "parameters": SCHEMA}]}),
    (RESPONSES, {"input": "one \u007f", "text": {"format": {"type": "json_schema",
                                                           "schema": SCHEMA}}}),
    (RESPONSES, '"input":[{"role":"user","content":"one \\u007f and \\u0066ile_id"}]'),
    (RESPONSES, item({"id": "msg_1", "type": "message", "role": "assistant",
                      "content": [{"type": "output_text", "text": SAID, "annotations": []}]})),
    (RESPONSES, item({"type": "reasoning", "id": "rs_1", "summary": [],
                      "encrypted_content": "gAAAA"})),
    (RESPONSES, item({"type": "reasoning", "summary": [{"type": "summary_text", "text": "x"}]})),
    (RESPONSES, item({"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f",
                      "arguments": SAID},
                     {"type": "function_call_output", "call_id": "c", "output": SAID})),
    (RESPONSES, item({"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}},
                     {"type": "shell_call_output", "call_id": "c",
                      "output": [{"stdout": SAID, "stderr": "", "outcome": {"type": "exit"}}]})),
    (GEMINI, {"contents": [], "tools": [{"functionDeclarations": [{"name": "f",
              "parameters": SCHEMA}]}]}),
    (GEMINI, part({"text": SAID}, {"functionCall": {"name": "f", "args": json.loads(SAID)}})),
    (GEMINI, part({"functionResponse": {"name": "f", "response": json.loads(SAID)}})),
    (GEMINI, part({"text": "x", "thought": True, "thoughtSignature": "AAAA"})),
    (GEMINI, part({"inlineData": {"mimeType": "text/plain", "data": "AAAA"}})),
]  # fmt: skip


@pytest.mark.parametrize(("path", "members"), SEEN)
def test_schemas_arguments_and_texts_are_data_whatever_they_say(
    path: str, members: dict[str, Any] | str
) -> None:
    found = ask(path, members)
    assert (found.reads_unseen, found.media, found.hour_cache) == ("", 0, False)
    assert (found.addresses, found.document_tokens) == ((), 0)


MISREAD = {
    "a name twice": '"messages":[{"role":"user","content":[{"type":"text","type":"image"}]}]',
    "the same, hidden": '"messages":[{"role":"user","content":[{"type":"text","t\\u0079pe":1}]}]',
    "a name in capitals": '"messages":[{"role":"user","content":[{"type":"text","Source":{}}]}]',
    "a name with a space": '"messages":[{"role":"user","content":[{"type ":"image"}]}]',
    "half a letter": '"messages":[{"role":"user","content":[{"\\ud800type":"image"}]}]',
    "a member in capitals": '"messages":[],"SYSTEM":[]',
    "a member with a space": '"messages":[]," system":[]',
    "half a letter in a member": '"messages":[],"\\ud800system":[]',
    "no number": '"messages":[],"temperature":NaN',
    "a number without end, far inside": '"messages":[{"role":"user","content":[{"x":-Infinity}]}]',
    "a single quote": '"messages":[{\'role\':"user"}]',
    "a name without quotes": '"messages":[{role:"user"}]',
    "a comma too many, far inside": '"messages":[{"role":"user",}]',
    "an element too few": '"messages":[,{"role":"user"}]',
    "a bare line feed in a text": '"messages":[{"role":"user","content":"a\nb"}]',
    "a NUL in a text": '"messages":[{"role":"user","content":"a\0b"}]',
    "an escape that is none": '"messages":[{"role":"user","content":"a\\x41"}]',
    "a number that begins with 0": '"messages":[{"x":01}]',
    "a comment far inside": '"messages":[{"x":1/**/}]',
    "blocks within blocks": '"messages":[{"role":"user","content":'
    + '[{"type":"tool_result","content":' * 100
    + '"x"'
    + "}]" * 101,
}


@pytest.mark.parametrize("name", MISREAD)
@pytest.mark.parametrize("step", [None, 1, 1000])
def test_what_two_readers_may_read_differently_is_refused(name: str, step: int | None) -> None:
    body = json.dumps(FIRST[ANTHROPIC])[:-1] + ", " + MISREAD[name] + "}"
    with pytest.raises((BadBodyError, RefusedError)):
        read(ANTHROPIC, body.encode(), step=step)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be", "utf-7"])
def test_another_encoding_is_refused(encoding: str) -> None:
    body = json.dumps(FIRST[ANTHROPIC] | {"messages": [], "x": "\u00e4"}, ensure_ascii=False)
    data = body.encode(encoding)
    for step in (None, 1):
        try:
            found = read(ANTHROPIC, data, step=step)
        except BadBodyError:
            continue
        assert found == read(ANTHROPIC, data), "plain letters of UTF-7 are UTF-8"


PNG = {"mimeType": "image/png", "data": "iVBORw0KGgo="}


@pytest.mark.parametrize(
    "members",
    [
        part({"inlineData": PNG | {"mime_type": "video/mp4"}}),
        part({"inline_data": {"mime_type": "text/plain"} | PNG}),
        part({"inlineData": PNG, "inline_data": PNG}),
        part({"fileData": {"fileUri": "files/a", "file_uri": "files/b"}}),
        {"systemInstruction": {"parts": [{"functionResponse": {}, "function_response": {}}]}},
    ],
)
def test_both_of_geminis_spellings_of_one_member_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="two spellings"):
        ask(GEMINI, members)


# --- what else decides what a request costs -------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "members", "most"),
    [
        (ANTHROPIC, {"max_tokens": 0}, 0),
        (ANTHROPIC, {"max_tokens": 1e3}, 1000),
        (ANTHROPIC, {"max_tokens": 10, "thinking": {"budget_tokens": 5000}}, 5000),
        (CHAT, {"max_tokens": 20.0}, 20),
        (CHAT, {"max_tokens": 20, "n_predict": 5000}, 5000),
        (GEMINI, {"generationConfig": {"maxOutputTokens": "8192"}}, 8192),
        (GEMINI, {"generation_config": {"max_output_tokens": 8192.0}}, 8192),
    ],
)
def test_a_maximum_counts_however_it_is_written(
    path: str, members: dict[str, Any], most: int
) -> None:
    assert ask(path, {"messages": []} | members).most_output == most


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (ANTHROPIC, {"max_tokens": "1000"}),
        (ANTHROPIC, {"max_tokens": 10.5}),
        (ANTHROPIC, '"max_tokens":1e400'),
        (CHAT, {"max_tokens": 0}),
        (RESPONSES, {"max_output_tokens": "0"}),
        (RESPONSES, {"previous_response_id": ["resp_1"]}),
        (GEMINI, {"generationConfig": {"maxOutputTokens": "many"}}),
        (GEMINI, {"generationConfig": {"maxOutputTokens": 0}}),
        (GEMINI, {"generationConfig": {"candidateCount": "-1"}}),
        (GEMINI, {"generationConfig": {"responseModalities": "IMAGE"}}),
        (GEMINI, {"generationConfig": {"responseModalities": 2}}),
        (GEMINI, {"generationConfig": {"responseModalities": [2]}}),
        (GEMINI, {"generation_config": {"response_modalities": "AUDIO"}}),
        (GEMINI, {"generationConfig": [{"responseModalities": ["IMAGE"]}]}),
        (CHAT, {"modalities": "audio"}),
        (CHAT, {"stream": "true"}),
        (ANTHROPIC, {"stream": 1}),
        (CHAT, {"models": ["gpt-5.5-pro"]}),
        (CHAT, {"plugins": [{"id": "web"}]}),
        (CHAT, {"model": "gpt-5:online"}),
        (CHAT, {"model": "@preset/reviewer"}),
        (CHAT, {"model": "gpt-5@preset/reviewer"}),
        (CHAT, {"n_predict": -1}),
        (GEMINI, {"tools": [[{"googleSearch": {}}]]}),
        (RESPONSES, {"tools": ["web_search"]}),
        (ANTHROPIC, user({"type": "of_next_year", "tools": [{"type": "web_search_20250305"}]})),
    ],
)
def test_what_cannot_be_bounded_is_refused(path: str, members: dict[str, Any] | str) -> None:
    with pytest.raises((RefusedError, BadBodyError)):
        ask(path, members)


REFUSED: list[dict[str, Any]] = [
    {"models": ["a"]}, {"plugins": [{"id": "web"}]}, {"fallbacks": ["a"]}, {"background": True},
    {"search_parameters": {"mode": "on"}}, {"mcp_servers": [{"url": "x"}]}, {"container": "c"},
    {"web_search_options": {}}, {"data_sources": [{"type": "azure_search"}]}, {"best_of": 4},
    {"chat_template": "x"}, {"kv_transfer_params": {"remote_host": "x"}}, {"api_base": "x"},
    {"extra_body": {"google": {"cached_content": "x"}}}, {"enable_code_interpreter": True},
    {"cached_content": "x"}, {"preset": "reviewer"}, {"prompt_id": "x"},
    {"vector_store_ids": ["v"]}, {"user_config": {"model_list": []}},
    {"context_window_fallback_dict": {"a": "b"}},
]  # fmt: skip


@pytest.mark.parametrize("path", FIRST)
@pytest.mark.parametrize("members", REFUSED, ids=str)
def test_what_is_refused_on_one_wire_is_refused_on_every_wire(
    path: str, members: dict[str, Any]
) -> None:
    with pytest.raises(RefusedError):
        ask(path, members)


@pytest.mark.parametrize("path", [ANTHROPIC, CHAT, RESPONSES])
def test_what_is_stored_at_a_vendor_fills_the_window_on_every_wire(path: str) -> None:
    for stored in ({"conversation": "c"}, {"thread": "t"}, {"previous_response_id": "r"}):
        assert ask(path, stored).reads_unseen
    listed = {"instructions": [{"type": "item_reference", "id": "msg_1"}]}
    assert ask(RESPONSES, {"input": "x"} | listed).reads_unseen


@pytest.mark.parametrize("budget", [
    {"thinking_budget": 5000}, {"thinking": {"budget_tokens": 5000}},
    {"reasoning": {"max_tokens": 5000}},
])  # fmt: skip
def test_a_budget_of_thoughts_counts_beside_the_maximum(budget: dict[str, Any]) -> None:
    assert ask(CHAT, {"messages": []} | budget).most_output == 5010
    assert ask(RESPONSES, {"input": "x"} | budget).most_output == 5010
    assert ask(CHAT, {"messages": [], "best_of": 1}).most_output == 10
    google = {"extra_body": {"google": {"thinking_config": {"thinking_budget": 5}}}}
    assert ask(CHAT, {"messages": []} | google).most_output == 10


def test_thoughts_that_no_maximum_bounds_are_reserved_for(tmp_path: Path) -> None:
    """SiliconFlow's max_tokens is for what follows them; they may be 38,912 tokens of their own."""
    file = tmp_path / "prices.json"
    price = {"input_mtok": 1, "output_mtok": 4, "max_output_tokens": 40_000}
    file.write_text(json.dumps({"models": {"Qwen*": price}}))
    tariff = Prices(file).tariff("openai", "Qwen3-8B")
    thinking: list[dict[str, Any]] = [
        {"enable_thinking": True},
        {"enable_thinking": False},
        {"enable_thinking": True, "thinking_budget": 5000},
        {"enable_thinking": True, "n": 2},
    ]
    found = [ask(CHAT, {"messages": []} | each).output_tokens(tariff) for each in thinking]
    assert found == [40_010, 10, 5010, 80_020]


@pytest.mark.parametrize(
    ("path", "members"),
    [
        (ANTHROPIC, user({"type": "text", "text": "x", "cache_control": {"ttl": "1h"}})),
        (ANTHROPIC, {"messages": [], "cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        (CHAT, {"messages": [], "cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        (RESPONSES, {"input": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}),
        (ANTHROPIC, {"messages": [], "tools": [{"name": "f", "cache_control": {"ttl": "1h"}}]}),
        (ANTHROPIC, {"messages": [], "system": [{"type": "text", "text": "x",
                                                 "cache_control": {"ttl": "1h"}}]}),
        (ANTHROPIC, '"messages":[{"role":"user","content":[{"type":"text","text":"x",'
                    '"cache\\u005fcontrol":{"type":"ephemeral","ttl":"1\\u0068"}}]}]'),
        (ANTHROPIC, user({"type": "text", "text": "x", "cache_control": {"ttl": "3600s"}})),
    ],
)  # fmt: skip
def test_a_cache_for_an_hour_is_noticed_wherever_it_is_asked_for(
    path: str, members: dict[str, Any] | str
) -> None:
    assert ask(path, members).hour_cache


@pytest.mark.parametrize("caching", [
    {"type": "ephemeral", "scope": "global"},
    {"type": "ephemeral", "ttl": "5m", "scope": "global"},
    {"type": "ephemeral", "ttl": None},
])  # fmt: skip
def test_claude_codes_cache_of_five_minutes_is_none_for_an_hour(caching: dict[str, Any]) -> None:
    """With the beta prompt-caching-scope it says who shares a cache, which costs the same."""
    marked = {"type": "text", "text": "x", "cache_control": caching}
    assert not ask(ANTHROPIC, user(marked) | {"system": [marked]}).hour_cache
    assert ask(ANTHROPIC, user(marked | {"cache_control": caching | {"ttl": "1h"}})).hour_cache
    assert ask(ANTHROPIC, user(marked | {"cache_control": caching | {"lasts": 9}})).hour_cache


@pytest.mark.parametrize(
    ("beta", "is_long"),
    [
        ("", False),
        ("claude-code-20250219, interleaved-thinking-2025-05-14", False),
        ("fine-grained-tool-streaming-2025-05-14", False),
        ("context-1m-2025-08-07", True),
        ("context-management-2025-06-27,context-2m-2027-01-01", True),
        ("of-next-year-2027-01-01", True),
    ],
)
def test_a_beta_that_may_widen_the_window_is_reserved_for(beta: str, is_long: bool) -> None:
    assert ask(ANTHROPIC, {"messages": []}, beta=beta).long_window == is_long
    assert ask(ANTHROPIC, {"messages": [], "betas": [beta]}).long_window == is_long


def test_a_summary_of_the_conversation_is_noticed_in_every_form() -> None:
    for asked in ({"edits": [{"type": "compact_20260112"}]}, {"edits": {"type": "compact_1"}},
                  [{"type": "compaction"}], {"type": "compaction"}):  # fmt: skip
        assert ask(ANTHROPIC, {"messages": [], "context_management": asked}).passes == 2
        assert ask(RESPONSES, {"input": "x", "context_management": asked}).passes == 2


def test_what_anthropic_writes_for_tools_of_its_own_kinds_is_reserved_for(tmp_path: Path) -> None:
    """Its pages on tools: 735 tokens for a computer, 700 for an editor, 245 for a shell, 499 around
    a computer, and up to 804 around any tools; a name of each is all that the request has."""
    kinds = ["bash_20250124", "text_editor_20250728", "computer_20251124", "memory_20250818"]
    tools = [{"type": kind, "name": kind[:4]} for kind in kinds]
    body = {"messages": [{"role": "user", "content": "x"}], "tools": tools}
    tariff = Prices(tmp_path / "prices.json").tariff("anthropic", "claude-sonnet-4-6")
    billed = 735 + 700 + 245 + 499 + 804 + 100
    assert ask(ANTHROPIC, body).input_tokens(tariff) > billed
    own = {"name": "f", "input_schema": {}}
    plain = [ask(ANTHROPIC, {"tools": [own] * count}) for count in (1, 2)]
    assert plain[1].input_bytes - plain[0].input_bytes < 100


def test_a_tool_that_is_brought_in_again_and_again_counts_each_time() -> None:
    tools = [{"name": "f", "description": "x" * 5000}]
    found = {"type": "tool_reference", "tool_name": "f"}
    once = ask(ANTHROPIC, user(found) | {"tools": tools})
    often = ask(ANTHROPIC, user(found, found, {"type": "tool_result", "content": [found]})
                | {"tools": tools})  # fmt: skip
    assert once.input_bytes < 6000
    assert often.input_bytes > 2 * 5000 + once.input_bytes


LINK = "https://inside.example/secret"
LINKS: list[tuple[str, dict[str, Any]]] = [
    (ANTHROPIC, user({"type": "image", "source": {"type": "url", "url": LINK}})),
    (ANTHROPIC, user({"type": "document", "source": {"type": "url", "url": LINK}})),
    (ANTHROPIC, user({"type": "document", "source": {"url": LINK}})),
    (ANTHROPIC, user({"type": "of_next_year", "deep": [{"link_url": LINK}]})),
    (CHAT, user({"type": "image_url", "image_url": {"url": LINK}})),
    (CHAT, user({"type": "image_url", "image_url": LINK})),
    (CHAT, user({"type": "video_url", "video_url": {"url": LINK}})),
    (CHAT, user({"type": "file", "file": {"file_data": LINK}})),
    (RESPONSES, said({"type": "input_image", "image_url": LINK})),
    (RESPONSES, said({"type": "input_file", "file_url": LINK})),
    (RESPONSES, item({"type": "function_call_output", "call_id": "c",
                      "output": [{"type": "input_image", "image_url": LINK}]})),
    (RESPONSES, item({"type": "computer_call_output",
                      "output": {"type": "computer_screenshot", "image_url": LINK}})),
    (GEMINI, part({"fileData": {"mimeType": "image/png", "fileUri": LINK}})),
    (GEMINI, part({"file_data": {"file_uri": LINK}})),
    (GEMINI, {"generateContentRequest": part({"fileData": {"fileUri": LINK}})}),
    (GEMINI, part({"functionResponse": {"parts": {"fileData": {"fileUri": LINK}}}})),
]  # fmt: skip


@pytest.mark.parametrize(("path", "members"), LINKS)
def test_what_a_vendor_would_fetch_is_noticed(path: str, members: dict[str, Any]) -> None:
    assert ask(path, members).addresses == (LINK,)
