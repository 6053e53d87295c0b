"""The scripted model's faults, pace, bill and switches."""

from __future__ import annotations

import json
import time

import httpx
import pytest
from genai_prices import Usage, calc_price

from paid.demo.scripted_model import Fault, ScriptedModel
from paid.demo.scripted_model import conversation as words
from paid.demo.scripted_model.bill import PRICES, cost_microdollars
from paid.demo.scripted_model.responses_wire import SEALED, ResponsesWire
from tests.plain_http import NO_TLS
from tests.waiting import wait_until

MANY = words.Usage(input=120_000, output=7_001, cached=65_536, cache_write=0)
BODY = {"model": "gpt-5.2", "input": "Scenario: nothing", "stream": True}


def post(model: ScriptedModel, path: str, body: object, key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key or model.key}"}
    return httpx.post(f"{model.url}{path}", json=body, headers=headers, timeout=60, verify=NO_TLS)


@pytest.mark.parametrize("name", PRICES)
def test_the_bills_prices_are_the_list_prices(name: str) -> None:
    vendor = {"claude": "anthropic", "gemini": "google", "gpt": "openai"}[name.partition("-")[0]]
    usage = Usage(input_tokens=MANY.input, cache_read_tokens=MANY.cached, output_tokens=MANY.output)

    listed = calc_price(usage, name, provider_id=vendor)

    assert cost_microdollars(name, MANY) == round(listed.total_price * 1_000_000)


def test_a_model_without_a_price_is_on_the_bill_without_a_cost(model: ScriptedModel) -> None:
    post(model, "/v1/responses", BODY | {"model": "mystery-1"})

    assert model.bill()[0].cost_microdollars is None


def test_a_wrong_key_is_refused_and_costs_nothing(model: ScriptedModel) -> None:
    answer = post(model, "/v1/responses", BODY, key="sk-of-somebody-else")

    assert answer.status_code == 401
    assert model.bill() == []
    assert model.requests[0].headers["Authorization"] == "Bearer sk-of-somebody-else"


def test_a_cut_stream_is_charged_for_what_was_sent(model: ScriptedModel) -> None:
    whole = post(model, "/v1/responses", BODY).content
    model.fail(Fault("cut", at_byte=len(whole) // 2))

    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream(
            "POST",
            f"{model.url}/v1/responses",
            json=BODY,
            headers={"authorization": f"Bearer {model.key}"},
            timeout=60,
        ) as stream,
    ):
        stream.read()

    first, second = model.bill()
    assert first.complete
    assert not second.complete
    assert 0 < second.output_tokens < first.output_tokens


def test_a_client_that_goes_away_is_charged_for_what_was_sent() -> None:
    model = ScriptedModel(tokens_per_second=20)
    model.start()
    headers = {"authorization": f"Bearer {model.key}"}
    try:
        with httpx.stream(
            "POST", f"{model.url}/v1/responses", json=BODY, headers=headers, timeout=60
        ) as answer:
            next(answer.iter_bytes())
        wait_until(model.bill, "an entry on the bill")
        assert [entry.complete for entry in model.bill()] == [False]
    finally:
        model.stop()


def test_words_come_at_the_pace_that_was_set() -> None:
    model = ScriptedModel(tokens_per_second=50)
    model.start()
    try:
        began = time.monotonic()
        post(model, "/v1/responses", BODY)
        seconds = time.monotonic() - began
        assert seconds >= (model.bill()[0].output_tokens - 1) / 50
    finally:
        model.stop()


def test_usage_can_be_left_out(model: ScriptedModel) -> None:
    model.fail(Fault("no_usage"))

    answer = post(model, "/v1/responses", BODY | {"stream": False}).json()

    assert answer["usage"] is None
    assert model.bill()[0].output_tokens > 0


def test_garbage_is_no_json(model: ScriptedModel) -> None:
    model.fail(Fault("garbage"))

    with pytest.raises(ValueError, match=r"."):
        post(model, "/v1/responses", BODY).json()


def test_a_dropped_request_has_no_answer(model: ScriptedModel) -> None:
    model.fail(Fault("drop"))

    with pytest.raises(httpx.RemoteProtocolError):
        post(model, "/v1/responses", BODY)


def test_a_delay_delays(model: ScriptedModel) -> None:
    model.fail(Fault("delay", seconds=0.5))
    began = time.monotonic()

    assert post(model, "/v1/responses", BODY).status_code == 200
    assert time.monotonic() - began >= 0.5


def test_a_fault_strikes_only_the_path_that_it_names(model: ScriptedModel) -> None:
    model.fail(Fault("status", status=500, path="messages"))

    assert post(model, "/v1/responses", BODY).status_code == 200
    assert post(model, "/v1/messages", {}).status_code == 500


@pytest.mark.parametrize("body", [{}, {"model": "gpt-5.2"}, [], "text", {"input": 3, "model": 4}])
def test_requests_that_make_no_sense_get_the_vendors_400(
    model: ScriptedModel, body: object
) -> None:
    for path in ("/v1/responses", "/v1/chat/completions", "/v1/messages"):
        answer = post(model, path, body)
        assert answer.status_code == 400, (path, answer.text)
        assert "error" in answer.json()


def test_the_bill_and_the_switches_are_reached_over_http(model: ScriptedModel) -> None:
    post(model, "/_script/scenario", {"scenario": "nothing"})
    post(model, "/_script/faults", {"kind": "status", "status": 503})

    assert post(model, "/v1/responses", BODY).status_code == 503
    assert post(model, "/v1/responses", BODY).status_code == 200
    bill = httpx.get(f"{model.url}/_script/bill", timeout=60, verify=NO_TLS).json()
    assert bill["total_microdollars"] == bill["requests"][0]["cost_microdollars"]
    assert post(model, "/_script/reset", {}).status_code == 200
    assert model.bill() == []


def test_the_switches_need_the_key(model: ScriptedModel) -> None:
    assert post(model, "/_script/reset", {}, key="wrong").status_code == 401


def test_the_gateways_prefixes_lead_to_the_same_place(model: ScriptedModel) -> None:
    answer = post(model, "/openai/v1/responses", BODY | {"stream": False})

    assert json.loads(answer.text)["status"] == "completed"


def test_thoughts_come_encrypted_to_a_client_that_stores_nothing() -> None:
    """As codex asks for them; a thought without it is one that the vendor keeps."""
    wire, reply = ResponsesWire(), words.Reply("", "I think.", ())
    for include, is_sealed in (([SEALED], True), ([], False)):
        ask = wire.parse({"model": "gpt-5.2", "input": "Go.", "include": include})
        (thought,) = wire.whole(ask, reply, None)["output"]
        assert bool(thought.get("encrypted_content")) is is_sealed
