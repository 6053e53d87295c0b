"""A commit names its charset, and so chooses a codec of ours: none may burn the processor."""

from __future__ import annotations

import time

import pytest

from paid.containers.charsets import by_charset

SLOW = b"xn--" + b"a" * 70_000 + b"-" + b"z" * 57_000


@pytest.mark.parametrize("name", ["idna", "IDNA", "punycode", "Punycode", "unicode_escape"])
def test_a_codec_that_is_no_charset_of_git_is_not_used(name: str) -> None:
    began = time.thread_time()
    assert by_charset(SLOW, name) is None
    assert time.thread_time() - began < 0.2


@pytest.mark.parametrize("name", ["ISO-8859-1", "latin1", "cp037", "UTF-16-LE", "shift_jis"])
def test_a_charset_is_read(name: str) -> None:
    assert by_charset("Fix it".encode(name), name) == "Fix it"


@pytest.mark.parametrize("name", ["hex", "rot13", "no-such", "undefined", "a\0b"])
def test_what_is_no_charset_is_told_so(name: str) -> None:
    assert by_charset(b"Fix it", name) is None
