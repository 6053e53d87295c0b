"""What is sent along in base64: a picture, a document, a text, or something else.

What the client says of it decides only where its bytes do not say otherwise.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from paid.gateway.pdf import most_tokens

Kind = Literal["picture", "document", "text", "sound", "other"]

_URL = re.compile(r"\s*data:([^,;]{0,200}+)((?:;[^,;]{0,200}+){0,10}+),", re.IGNORECASE)
_PICTURES = frozenset(
    f"image/{kind}" for kind in ("png", "jpeg", "jpg", "gif", "webp", "heic", "heif", "avif", "*")
)
_TEXTS = frozenset({"application/json", "application/xml", "application/javascript"})
_PDF, _ZIP = "JVBER", "UEsD"
"""How base64 begins of `%PDF` and of what office programs write."""
MARK_LETTERS = 24
"""How many letters stand at the end of a string whose rest was too long to be kept."""


@dataclass(frozen=True)
class Inline:
    """`size` is in bytes of base64; `tokens` the most that a document costs, None for unknown."""

    kind: Kind
    size: int
    tokens: int | None = None


def read_inline(given: Any, media_type: Any, lengths: Mapping[str, int]) -> Inline | None:
    """What a base64 string holds, or a `data:` address; None for what is neither.

    `lengths` has those that were too long to be kept, by the mark at their end.
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
    kind = _kind(payload[:64].lstrip(), said)
    tokens = _document_tokens(payload) if kind == "document" and size is None else None
    return Inline(kind, len(payload) if size is None else size, tokens)


def _kind(begin: str, said: str) -> Kind:
    if begin.startswith(_PDF) or said.endswith("/pdf"):
        return "document"
    if begin.startswith(_ZIP):
        return "other"
    if said in _PICTURES:
        return "picture"
    if said.startswith(("audio/", "video/")):
        return "sound"
    return "text" if said.startswith("text/") or said in _TEXTS else "other"


def _document_tokens(payload: str) -> int | None:
    try:
        return most_tokens(base64.b64decode(payload.replace("-", "+").replace("_", "/") + "=="))
    except (ValueError, binascii.Error):
        return None
