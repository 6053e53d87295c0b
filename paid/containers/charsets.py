"""Texts in the charset that a commit names, by codecs that take time with a text's length alone."""

from __future__ import annotations

import codecs

_NO_CHARSETS = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape"})
"""Python's, not git's; two of them take time with the square of a text's length."""


def by_charset(text: bytes, charset: str, errors: str = "strict") -> str | None:
    """The text as a charset says; None where that is none of git's, or the text is not in it."""
    try:
        name = codecs.lookup(charset).name
        if name.replace("-", "_") in _NO_CHARSETS:
            return None
        return text.decode(name, errors)
    except (LookupError, ValueError, UnicodeError):
        return None
