"""What is sent along in base64: a picture, a document, a text, or something else.

What the client says of it is believed only where its bytes agree: vendors go by either.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from paid.gateway.pdf import most_tokens
from paid.gateway.pictures import most_units

Kind = Literal["picture", "document", "text", "sound", "other"]

_URL = re.compile(r"\s*data:([^,;]{0,200}+)((?:;[^,;]{0,200}+){0,10}+),", re.IGNORECASE)
_PICTURES = frozenset(
    f"image/{kind}" for kind in ("png", "jpeg", "jpg", "gif", "webp", "heic", "heif", "avif", "*")
)
_TEXTS = frozenset({"application/json", "application/xml", "application/javascript"})
_BASE64 = re.compile(r"[A-Za-z0-9+/_\-\s]*+=*+\s*+")
_HEADER_BYTES = 1024
"""Within these, readers look for the header of a PDF, whatever stands in front."""
HEAD_LETTERS = 1600
"""Of a string, to see so much: a data address, and `_HEADER_BYTES` in base64."""
_PICTURE_HEAD = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8|RIFF.{4}WEBP|.{4}ftyp(?:hei[cxms]|hev[cx]|mif1|msf1|avi[fs])",
    re.DOTALL,
)
_NO_TEXT = re.compile(rb"PK[\x03-\x08]{2}|[\x01-\x08\x0e-\x1a\x1c-\x1f]|\A(?:ID3|OggS|fLaC|RIFF)")
_PACKED = (".pdf", ".docx", ".xlsx", ".pptx", ".odt", ".epub", ".zip")
MARK_LETTERS = 24
"""How many letters stand at the end of a string whose rest was too long to be kept."""


@dataclass(frozen=True)
class Inline:
    """`size` is in bytes of base64; `tokens` the most that a document costs, None for unknown."""

    kind: Kind
    size: int
    tokens: int | None = None


def read_inline(
    given: Any, media_type: Any, lengths: Mapping[str, int], named: Any = ""
) -> Inline | None:
    """What a base64 string holds, or a `data:` address; None for what is neither.

    `lengths` has those that were too long to be kept, by the mark at their end. `named` is the
    name of the file.
    """
    if not isinstance(given, str):
        return None
    size = lengths.get(given[-MARK_LETTERS:]) if lengths else None
    found = _URL.match(given)
    if found is not None:
        media_type = found[1] or media_type
        if ";base64" not in found[2].lower():
            return Inline("other", 0)
    payload = given[found.end() if found else 0 :]
    said = media_type.partition(";")[0].strip().lower() if isinstance(media_type, str) else ""
    name = named.strip().lower() if isinstance(named, str) else ""
    kind = _kind(_head(payload, is_cut=size is not None), said, name)
    tokens = _document_tokens(payload) if kind == "document" and size is None else None
    return Inline(kind, len(payload) if size is None else size, tokens)


def picture_units(payload: str, lengths: Mapping[str, int]) -> int | None:
    """What a picture in base64 costs with Gemini, as far as its bytes were kept."""
    if payload[-MARK_LETTERS:] in lengths:
        return most_units(_head(payload, is_cut=True))
    try:
        return most_units(_decoded(payload))
    except binascii.Error:
        return None


def _head(payload: str, *, is_cut: bool) -> bytes:
    """The first bytes, where every reader decodes the same; nothing where one may not."""
    if is_cut:
        payload = payload[:-MARK_LETTERS]
    if not _BASE64.fullmatch(payload):
        return b""
    letters = "".join(payload.split())
    if is_cut and len(letters) < _HEADER_BYTES * 4 // 3:
        return b""
    letters = letters[: HEAD_LETTERS // 4 * 4].rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(letters[: len(letters) // 4 * 4] + _rest(letters))


def _rest(letters: str) -> str:
    """The last letters, padded; a single one is none."""
    rest = letters[len(letters) // 4 * 4 :]
    return rest.ljust(4, "=") if len(rest) > 1 else ""


def _kind(head: bytes, said: str, named: str) -> Kind:
    """What it is by its bytes, if they agree with what is said; `other` wherever they may not."""
    is_picture = _PICTURE_HEAD.match(head) is not None
    if b"%PDF" in head[: _HEADER_BYTES + 4]:
        return "document" if not is_picture else "other"
    if said.startswith(("audio/", "video/")):
        return "sound"
    if is_picture:
        return "picture" if said in _PICTURES and _may_be(named, "image/") else "other"
    if said.startswith("text/") or said in _TEXTS:
        return "text" if _is_text(head) and not named.endswith(_PACKED) else "other"
    return "other"


def _may_be(named: str, kind: str) -> bool:
    """Whether a file's name, by which some vendors go, says nothing else."""
    guessed = mimetypes.guess_type(named)[0]
    return guessed is None or guessed.startswith(kind)


def _is_text(head: bytes) -> bool:
    """Text has no bytes that no text has, but for NUL, which counts by its bytes all the same."""
    return bool(head) and not _NO_TEXT.search(head)


def _decoded(payload: str) -> bytes:
    return base64.b64decode(payload.replace("-", "+").replace("_", "/") + "==")


def _document_tokens(payload: str) -> int | None:
    try:
        return most_tokens(_decoded(payload))
    except (ValueError, binascii.Error):
        return None
