"""JSON, HMAC and prctl by the C modules that `json`, `hmac` and `ctypes` are made of.

Those load `re`, `enum` and a dozen more, which costs each start of a container as much as Python
itself. The modules here are CPython's own and the image has one CPython; a test reads and writes
with both.
"""

from __future__ import annotations

import _ctypes
import _hashlib
import _json

PR_SET_DUMPABLE = 4


class _Strict:
    """How `json.loads` reads by default."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner looks for it here


def read_json(text: str) -> object:
    """The value in `text`, which is one JSON value and nothing after it but white space."""
    scan = _json.make_scanner(_Strict())  # type: ignore[arg-type]
    try:
        value, end = scan(text, len(text) - len(text.lstrip()))
    except StopIteration as error:
        raise ValueError("not JSON") from error
    if text[end:].strip():
        raise ValueError("more than one JSON value")
    return value


def write_json(value: dict[str, object]) -> str:
    """One line of ASCII without spaces."""
    write = _json.make_encoder(
        None, _refuse, _json.encode_basestring_ascii, None, ":", ",", False, False, False
    )
    return "".join(write(value, 0))


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """HMAC by OpenSSL."""
    return _hashlib.hmac_digest(key, message, "sha256")


def set_not_dumpable() -> None:
    """Let nobody but the kernel read this process. Raises OSError."""
    ourselves = _ctypes.dlopen(None, 0)  # type: ignore[arg-type]
    prctl = _ctypes.dlsym(ourselves, "prctl")
    if _ctypes.call_function(prctl, (PR_SET_DUMPABLE, 0, 0, 0, 0)) != 0:
        raise OSError("prctl(PR_SET_DUMPABLE) failed")


def _refuse(value: object) -> object:
    raise TypeError(f"not for JSON: {type(value).__name__}")
