"""Looking for secrets in what is about to be published.

Our own secrets are looked for raw, reversed, in hex, in base64 at each alignment and
url-encoded, however the lines are broken; everybody's keys by the shapes that their issuers gave
them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

SHAPES = {
    "a GitHub token": rb"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{50,}",
    "an Anthropic key": rb"\bsk-ant-[A-Za-z0-9_-]{24,}",
    "an OpenAI key": rb"\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{40,}",
    "a Google key": rb"\bAIza[A-Za-z0-9_-]{35}\b",
    "an AWS key": rb"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "a Slack token": rb"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "a Stripe key": rb"\b[sr]k_live_[A-Za-z0-9]{20,}",
    "a GitLab token": rb"\bglpat-[A-Za-z0-9_-]{20,}",
    "a private key": rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----",
}
OURS = "one of Paid's own secrets"

_LEAST_SECRET_CHARS = 8
_LEAST_HALF_BYTES = 16
_LONGEST_LINE_BYTES = 1024 * 1024
_OVERLAP_BYTES = 4096


class SecretScan:
    """Feed it a patch in pieces; lines that the patch removes do not count."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        needles = {needle for secret in secrets for needle in needles_of(secret)}
        self._ours = _any_of(needles)
        self._most_bytes = max(map(len, needles), default=0)
        self._shapes = {name: re.compile(shape) for name, shape in SHAPES.items()}
        self._rest = self._folded = b""
        self._found: set[str] = set()

    def feed(self, piece: bytes) -> None:
        """Look through the next piece."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._look(b"\n".join(line for line in lines if not _is_removed(line)))
        if len(self._rest) > _LONGEST_LINE_BYTES:
            self._look(b"" if _is_removed(self._rest) else self._rest)
            # the first byte says whether the line is added or removed, so it stays in front
            self._rest = self._rest[:1] + self._rest[-_OVERLAP_BYTES:]

    def end(self) -> set[str]:
        """What was found, by the name of its kind."""
        self.feed(b"\n")
        return self._found

    def _look(self, text: bytes) -> None:
        if self._ours is not None and (self._ours.search(text) or self._is_in_folds_of(text)):
            self._found.add(OURS)
        for name, shape in self._shapes.items():
            if name not in self._found and shape.search(text):
                self._found.add(name)

    def _is_in_folds_of(self, text: bytes) -> bool:
        """Whether a secret of ours is there when the lines are put together, spaces left out."""
        assert self._ours is not None  # noqa: S101 - asked only with secrets
        lines = (b"\n" + text).replace(b"\n+", b"")
        self._folded += lines.translate(None, b" \t\r\n")
        found = self._ours.search(self._folded) is not None
        self._folded = self._folded[-self._most_bytes :]
        return found


def needles_of(secret: str) -> Iterator[bytes]:
    """The forms in which a secret may hide; none for what is too short to be told from chance."""
    raw = secret.encode()
    if len(raw) < _LEAST_SECRET_CHARS:
        return
    yield raw
    yield raw[::-1]
    yield from _with_halves(raw.hex().encode())
    yield from _with_halves(raw.hex().upper().encode())
    yield quote(secret, safe="").encode()
    yield "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    for encoded in _base64_of(raw):
        yield from _with_halves(encoded)


def _base64_of(raw: bytes) -> Iterator[bytes]:
    """The letters of base64 that depend on `raw` alone, wherever in a text it stands."""
    for before, skipped in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(b"\0" * before + raw)
        certain = whole[skipped : (before + len(raw)) * 8 // 6]
        yield certain
        yield certain.translate(bytes.maketrans(b"+/", b"-_"))


def _with_halves(needle: bytes) -> Iterator[bytes]:
    """An encoder may break the line within the needle, so each half is enough."""
    yield needle
    middle = len(needle) // 2
    if middle >= _LEAST_HALF_BYTES:
        yield needle[:middle]
        yield needle[middle:]


def _any_of(needles: set[bytes]) -> re.Pattern[bytes] | None:
    if not needles:
        return None
    return re.compile(b"|".join(re.escape(needle) for needle in sorted(needles)))


def _is_removed(line: bytes) -> bool:
    return line.startswith(b"-") and not line.startswith(b"---")
