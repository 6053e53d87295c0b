"""The one error of reading what a request asks for."""

from __future__ import annotations


class RefusedError(Exception):
    """Raised when a request asks for what cannot be capped or is malformed."""
