"""A text that a tokeniser makes longer is reserved for at its longer size."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest

from paid.gateway.estimate import WANTED, read_ask
from paid.gateway.growth import _GROWTH, Growth, growth_of
from paid.gateway.routes import find_route
from paid.gateway.scanner import Scanner
from paid.gateway.spool import Spool

LIGATURE = "\ufdfa"
"""Three bytes; 33 in NFKC."""
NOTE = "\U0001d160"
"""Four bytes; twelve in NFC."""


def test_every_letter_that_grows_is_known() -> None:
    grown = {chr(n) for n in range(sys.maxunicode + 1) if not 0xD800 <= n <= 0xDFFF}
    assert {letter for letter in grown if growth_of(letter)} == _GROWTH.keys()
    assert (growth_of(LIGATURE), growth_of(NOTE), growth_of("é")) == (30, 8, 0)


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("step", [1, 2, 5, 7, 10_000])
@pytest.mark.parametrize("quick", [0, 1_000_000])
def test_the_growth_is_the_same_however_a_body_comes(escaped: bool, step: int, quick: int) -> None:
    text = f"a{LIGATURE}\\u12{LIGATURE * 3}½\\"
    said = [{"role": "user", "content": text}]
    request = {"model": "claude-sonnet-4-6", "max_tokens": 1, "messages": said}
    body = json.dumps(request, ensure_ascii=escaped).encode()
    scanner = Scanner(WANTED["messages"], "messages", quick_bytes=quick)
    for at in range(0, len(body), step):
        scanner.feed(body[at : at + step])
    assert scanner.finish().growth_bytes == 4 * 30 + 3


def test_what_is_reserved_bounds_the_longer_text() -> None:
    route = find_route("POST", "/anthropic/v1/messages")
    said = [{"role": "user", "content": LIGATURE * 1000}]
    request = {"model": "claude-sonnet-4-6", "max_tokens": 1, "messages": said}
    body = json.dumps(request, ensure_ascii=False).encode()
    scanner, spool = Scanner(WANTED[route.wire], route.wire), Spool()
    scanner.feed(body)
    spool.write(body)
    spool.finish()
    ask = read_ask(route, scanner.finish(), spool)
    assert ask.input_bytes >= len(unicodedata.normalize("NFKC", LIGATURE * 1000).encode())


def test_a_text_of_many_languages_grows_by_nothing() -> None:
    growth = Growth()
    growth.feed("naïve Größe שלום 你好 こんにちは 안녕 привет 👩‍👧 € → ✓".encode())
    assert growth.size == 0
