"""Whatever is sent to the forge or the scripted model, it answers, and never with a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paid.demo.forge import Forge
from paid.demo.forge.sample import plant
from paid.demo.scripted_model import ScriptedModel
from tests.plain_http import NO_TLS

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False)
)
WORDS = """
title body labels state head base draft name color description context ref sha messages model input
tools stream contents role content type parts text system parameters function
"""
NAMES = st.sampled_from(WORDS.split())
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
REPO = "/repos/demo/timespan"
ENDPOINTS = st.sampled_from(
    [
        ("POST", f"{REPO}/issues"),
        ("PATCH", f"{REPO}/issues/1"),
        ("POST", f"{REPO}/issues/1/comments"),
        ("POST", f"{REPO}/issues/1/labels"),
        ("PUT", f"{REPO}/issues/1/labels"),
        ("POST", f"{REPO}/labels"),
        ("POST", f"{REPO}/pulls"),
        ("POST", f"{REPO}/git/refs"),
        ("POST", f"{REPO}/statuses/main"),
    ]
)
WIRES = st.sampled_from(
    [
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1beta/models/gemini-2.5-flash:generateContent",
        "/v1beta/models/gemini-2.5-flash:countTokens",
    ]
)
PATIENT = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[httpx.Client]:
    forge = Forge(tmp_path / "forge")
    forge.start()
    token = plant(forge).token
    with httpx.Client(
        base_url=forge.api_url,
        headers={"authorization": f"Bearer {token}"},
        timeout=60,
        verify=NO_TLS,
    ) as client:
        yield client
    forge.stop()


@pytest.fixture
def vendor(model: ScriptedModel) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {model.key}"}
    with httpx.Client(base_url=model.url, headers=headers, timeout=60, verify=NO_TLS) as client:
        yield client


@PATIENT
@given(endpoint=ENDPOINTS, body=BODIES)
def test_the_forge_refuses_nonsense(
    github: httpx.Client, endpoint: tuple[str, str], body: Any
) -> None:
    method, path = endpoint

    answer = github.request(method, path, content=json.dumps(body))

    assert answer.status_code < 500, answer.text
    assert github.get(f"{REPO}/issues/1").status_code == 200


@PATIENT
@given(path=WIRES, body=BODIES)
def test_the_scripted_model_refuses_nonsense(vendor: httpx.Client, path: str, body: Any) -> None:
    answer = vendor.post(path, content=json.dumps(body))

    assert answer.status_code < 500, answer.text
