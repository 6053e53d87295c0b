"""Everybody's keys, by the shapes that their issuers gave them, and the ones that are examples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

_BEGIN = b"-----BEGIN "
_MOST_BODY_BYTES = 14 * 1024
"""Of a private key: RSA with 16,384 bits has 12.7 KB. Pieces of a text overlap by more."""
_LEAST_BODY_LETTERS = 16
_BORDER = re.compile(rb"-----(BEGIN|END) [A-Z0-9 ]{0,60}PRIVATE KEY")
_LINE_END = re.compile(rb"(?<!\\)\\+[nrt]")
_HEADER = rb"[A-Z][A-Za-z-]{2,20}: [^\r\n\\]{0,200}(?:\\+[nr]|\s){1,8}"
_OPEN_BODY = re.compile(
    rb"(?:\\+[nrt]|[^A-Za-z0-9-]){0,16}(?:" + _HEADER + rb"){0,8}"
    rb"(?:(?:\\+[nrt]|[^A-Za-z0-9-]){0,64}[A-Za-z0-9+/=]{16,}){0,2000}"
)
# without =, which is a line's end in mail, and may so be missing in a reading
_NO_LETTERS = bytes(
    byte
    for byte in range(256)
    if byte not in b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)


@dataclass(frozen=True)
class Shape:
    """A kind of key. `marks` are quick to look for: every key of the kind begins with one."""

    name: str
    marks: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


@dataclass(frozen=True)
class ShapeFound:
    """A key: its kind, its bytes (of a private key all letters of its body), and where."""

    name: str
    value: bytes
    at: int


def _shape(name: str, pattern: bytes, *marks: bytes) -> Shape:
    return Shape(name, marks, re.compile(pattern))


_HAS_RUN = rb"(?=(?:[A-Za-z0-9]{0,15}+[_-]){0,40}+[A-Za-z0-9]{16})"
"""Sixteen letters on end, as all that is random has, and words with hyphens between have not."""
_HAS_DIGIT = rb"(?=[A-Za-z_-]{0,250}[0-9])"

SHAPES = (
    _shape(
        "a GitHub token",
        rb"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{50,255}",
        b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_",
    ),
    _shape(
        "an Anthropic key",
        # the digits of api03- are no part of what is secret
        rb"sk-ant-(?=(?:[a-z]{2,8}\d\d-)?+[A-Za-z_-]{0,250}[0-9])[A-Za-z0-9_-]{24,255}",
        b"sk-ant-",
    ),
    _shape(
        "an OpenAI key",
        # with a digit in it, which names of style sheets that begin with sk- have not
        rb"sk-(?:proj|svcacct)-" + _HAS_RUN + rb"[A-Za-z0-9_-]{40,255}|"
        rb"(?<![A-Za-z0-9])sk-(?!ant-)" + _HAS_DIGIT + _HAS_RUN + rb"[A-Za-z0-9_-]{40,255}",
        b"sk-",
    ),
    # a few letters more on either side hide nothing; many make it a part of something encoded
    _shape("a Google key", rb"AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-]{6})", b"AIza"),
    _shape(
        "an AWS key",
        rb"(?<![A-Z0-9]{6})(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Z0-9]{6})",
        b"AKIA", b"ASIA",
    ),
    _shape("a Slack token", rb"xox[abeprs]-" + _HAS_DIGIT + rb"[A-Za-z0-9-]{20,255}", b"xox"),
    _shape("a Stripe key", rb"[sr]k_live_[A-Za-z0-9]{20,255}", b"sk_live_", b"rk_live_"),
    _shape(
        "a GitLab token",
        # in letters of more than one kind: `glpat-your-token-goes-here` is a place to fill in
        rb"glpat-(?=[a-z_-]{0,250}[A-Z0-9])(?=[A-Z0-9_-]{0,250}[a-z])[A-Za-z0-9_-]{20,255}",
        b"glpat-",
    ),
    _shape("an npm token", rb"npm_[A-Za-z0-9]{36}\b", b"npm_"),
    _shape("a PyPI token", rb"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,255}", b"pypi-AgEI"),
    _shape("a SendGrid key", rb"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}\b", b"SG."),
    _shape(
        "a private key",
        rb"-----BEGIN (?:[A-Z0-9]+ ){0,6}PRIVATE KEY(?: BLOCK)?-----",
        _BEGIN,
    ),
)  # fmt: skip

_DOCUMENTED = frozenset(
    begin + rest
    for begin, rest in (
        # docs.aws.amazon.com, IAM user guide
        (b"AKIA", b"IOSFODNN7EXAMPLE"),
        (b"AKIA", b"I44QH8DHBEXAMPLE"),
        (b"ASIA", b"IOSFODNN7EXAMPLE"),
        # docs.github.com, authorizing OAuth and GitHub Apps
        (b"gh" + b"o_", b"16C7e42F292c6912E7710c838347Ae178B4a"),
        (b"gh" + b"p_", b"16C7e42F292c6912E7710c838347Ae178B4a"),
        (b"gh" + b"u_", b"16C7e42F292c6912E7710c838347Ae178B4a"),
        (b"gh" + b"s_", b"16C7e42F292c6912E7710c838347Ae178B4a"),
        (
            b"gh" + b"r_",
            b"1B4a2e77838347a7E420ce178F2E7c6912E169246c34E1ccbF66C46812d16D5B1A9Dc86A1498",
        ),
        # developers.google.com
        (b"AI" + b"za", b"SyDaGmWKa4JsXZ-HjGw7ISLn_3namBGewQe"),
        (b"AI" + b"za", b"SyDOCAbC123dEf456GhI789jKl01-MnO"),
        # api.slack.com
        (b"xo" + b"xb-", b"not-a-real-token-this-will-not-work"),
        (b"xo" + b"xb-", b"17653672481-19874698323-pdFZKVeTuE8sk7oOcHrzqqgy"),
        (b"xo" + b"xp-", b"1234-5678-90abcdef-ghijklmn"),
    )
)  # fmt: skip
"""Keys that vendors print in their documentation: they open nothing."""
_IN_ORDER = 0.85
_BEGINNING = re.compile(
    rb"^(?:gh[a-z]_|github_pat_|sk-(?:ant-|proj-|svcacct-)?|AIza|AKIA|ASIA|xox[a-z]-"
    rb"|[sr]k_live_|glpat-|npm_)(?:api\d\d-)?"
)


def is_example(value: bytes) -> bool:
    """Whether a key is one of a vendor's documents, or filled up with one character or in order."""
    if value in _DOCUMENTED or re.fullmatch(rb"A[KS]IA[A-Z2-7]{9}EXAMPLE", value):
        return True
    body = _BEGINNING.sub(b"", value)
    letters = body.lower().replace(b"-", b"").replace(b"_", b"")
    return body != value and (len(set(letters)) <= 1 or _is_in_order(letters))


def _is_in_order(letters: bytes) -> bool:
    """Whether nearly each letter is the next of the alphabet or digit: `1234567890abcdef…`."""
    steps = sum(after - before == 1 for before, after in pairwise(letters))
    return steps >= _IN_ORDER * (len(letters) - 1)


def keys_in(text: bytes) -> Iterator[ShapeFound]:
    """Every key in a text that is no example; a pattern is tried only where a mark is."""
    for shape in SHAPES:
        for mark in shape.marks:
            at = text.find(mark)
            while at >= 0:
                if match := shape.pattern.match(text, at):
                    value = _private_key(text, match) if mark == _BEGIN else match[0]
                    if not is_example(value):
                        yield ShapeFound(shape.name, value, at)
                at = text.find(mark, at + len(mark))


def _private_key(text: bytes, head: re.Match[bytes]) -> bytes:
    """All letters between a private key's two borders, however its lines are broken.

    The first lines say of what type the key is, and are alike in all keys of a type. A key whose
    end is missing has the lines that look like a body; one without a body has its first line.
    """
    begin = head.end()
    border = _BORDER.search(text, begin, begin + _MOST_BODY_BYTES)
    if border is not None and border[1] == b"END":
        body = text[begin : border.start()]
    else:
        most = border.start() if border else begin + _MOST_BODY_BYTES
        open_body = _OPEN_BODY.match(text, begin, most)
        body = open_body[0] if open_body else b""
    letters = _LINE_END.sub(b"", body).translate(None, _NO_LETTERS)
    return letters if len(letters) >= _LEAST_BODY_LETTERS else head[0]
