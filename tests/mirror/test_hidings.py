"""A secret is found in every dress, and honest texts pass: the scan as a pure function."""

from __future__ import annotations

import base64
import contextlib
import gzip
import os
import random
import textwrap
import time
import zlib

import pytest

from paid.activities.own_secrets import without_secrets
from paid.attack.hidings import ANYBODYS, HONEST, OWN
from paid.containers.secret_check import Allowed, told_in_texts
from paid.containers.secret_scan import OURS, Budget, SecretScan
from paid.errors import ChangeTooLargeError

SECRET = b"paid-own-" + b"Zq7Kw2Xv9Rt4Lm8Bn3Hd6Fy1"
TOKEN = b"gh" + b"p_" + b"aP5uEt0oZ8qN3xW6vR1yT4mL7bK2cJ9hG5fD"
NEIGHBOURS = b"def add(a, b):  # a line of a small file\n" * 800
"""Small files are looked through together."""
SECRETS = (
    SECRET.decode(),
    "sk-ant-api03-" + "Ab3dEf6hIj9kLm2nOp5q" * 4,
    "Hunter-22",
)


def test_there_are_sixty_hidings_at_least() -> None:
    assert len(ANYBODYS) + len(OWN) >= 120


@pytest.mark.parametrize("name", [*ANYBODYS, *OWN])
def test_our_own_secret_is_found(name: str) -> None:
    hidden = (ANYBODYS | OWN)[name](SECRET)
    hits = SecretScan(SECRETS).hits(b"before\n" + hidden + b"\nafter\n")
    assert [(hit.kind, hit.value) for hit in hits] == [(OURS, SECRET)]


@pytest.mark.parametrize("name", list(ANYBODYS))
@pytest.mark.parametrize("before", [b"before\n", NEIGHBOURS])
def test_anybodys_key_is_found(name: str, before: bytes) -> None:
    hits = SecretScan(SECRETS).hits(before + ANYBODYS[name](TOKEN) + b"\nafter\n")
    assert ("a GitHub token", TOKEN) in [(hit.kind, hit.value) for hit in hits]


@pytest.mark.parametrize("name", list(HONEST))
def test_honest_texts_pass(name: str) -> None:
    assert SecretScan(SECRETS).hits(HONEST[name]) == []


@pytest.mark.parametrize(
    "written",
    ["XAKIA" + "Q7RZ5TYXWV2UMNPL", "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q" + "Z",
     "xsk-proj-" + "Ab3dEf6hIj9kLm2nOp5q" * 3],
)  # fmt: skip
def test_a_letter_before_or_behind_a_key_hides_nothing(written: str) -> None:
    assert len(SecretScan().hits(written.encode())) == 1


@pytest.mark.parametrize("line_end", ["\n", "\\n"])
def test_a_private_key_has_one_value_in_all_readings(line_end: str) -> None:
    some = random.Random(3)  # noqa: S311 - the same keys on every machine
    for _ in range(150):
        lines = textwrap.wrap(base64.b64encode(some.randbytes(some.randint(100, 400))).decode(), 64)
        total = "=" + base64.b64encode(some.randbytes(3)).decode()
        kind = "PGP PRIVATE KEY BLOCK"
        key = [f"-----BEGIN {kind}-----", "Version: 1", "", *lines, total, f"-----END {kind}-----"]
        assert len(SecretScan().hits(line_end.join([*key, ""]).encode())) == 1


def test_random_bytes_pass() -> None:
    assert SecretScan(SECRETS).hits(os.urandom(300_000)) == []


def test_half_of_a_long_secret_is_a_leak() -> None:
    secret = "Zq7Kw2Xv9Rt4Lm8Bn3Hd6Fy1Jc5Gs0PaUeTo"
    assert SecretScan([secret]).hits(b"it begins with " + secret[:18].encode())


def test_a_finding_names_its_line_and_not_its_value() -> None:
    [hit] = SecretScan(SECRETS).hits(b"one\ntwo\nkey = " + TOKEN + b"\n")
    assert hit.line == 3
    assert TOKEN.decode() not in repr(hit)


def test_what_is_packed_may_not_become_any_size() -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    with pytest.raises(ChangeTooLargeError, match="packed"):
        SecretScan(SECRETS, Budget(most_packed_bytes=1_000_000)).hits(bomb)


def test_a_comment_says_that_words_with_a_key_are_left_out() -> None:
    said = without_secrets(f"- the key is {TOKEN.decode()}", (), SECRETS)
    assert said == "What was said here is left out, because it holds a GitHub token."
    assert without_secrets("The checks fail.", (), SECRETS) == "The checks fail."


BOMBS = {
    "zlib of many bytes": lambda: zlib.compress(b"a" * 40_000_000),
    "zlib twice": lambda: zlib.compress(zlib.compress(b"a" * 40_000_000)),
    "many beginnings of zlib": lambda: b"\x78\x9c" * 1_000_000,
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_takes_no_more_than_a_worker_can_spare(name: str) -> None:
    bomb = BOMBS[name]()
    began = time.thread_time()
    with contextlib.suppress(ChangeTooLargeError):
        SecretScan(SECRETS, Budget.small()).hits(bomb)
    assert time.thread_time() - began < 3


_MIB = 1024 * 1024
_HEAD, _END = b"-----BEGIN PRIVATE " + b"KEY-----", b"-----END PRIVATE " + b"KEY-----\n"
SLOW = {
    "numbers with dots between": b"12.......char(" * 10 + b"x",
    "numbers that begin with 0": (b"012," * 11 + b"x ") * 20_000,
    "plus signs": b"+" * _MIB,
    "a private key of backslashes": (_HEAD + b"\\" * 13_900 + _END) * 70,
    "an image on one line": base64.b64encode(random.Random(5).randbytes(700_000)),  # noqa: S311
}


@pytest.mark.parametrize("name", list(SLOW))
def test_no_text_takes_longer_than_its_length_lets_expect(name: str) -> None:
    began = time.thread_time()
    SecretScan(SECRETS).hits(SLOW[name])
    assert time.thread_time() - began < 8


def test_a_text_that_is_packed_to_be_small_is_refused() -> None:
    bomb = base64.b64encode(zlib.compress(b"a" * 20_000_000)).decode()
    with pytest.raises(ChangeTooLargeError, match="packed"):
        told_in_texts([bomb], [], SECRETS, Allowed())
    key = TOKEN.decode()
    assert told_in_texts([key], [bomb, key], SECRETS, Allowed())
