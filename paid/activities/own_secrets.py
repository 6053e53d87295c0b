"""Secrets of ours that must be in nothing that is published, and what is said in their place."""

from __future__ import annotations

from collections.abc import Iterable

from paid.containers.secret_check import Allowed, told_in_texts
from paid.errors import ChangeTooLargeError
from paid.settings import Settings

LEFT_OUT = "What was said here is left out, because it holds {}."


def model_keys(settings: Settings) -> tuple[str, ...]:
    """The vendors' keys that this process knows."""
    keys = (*settings.anthropic_api_key, *settings.openai_api_key, *settings.gemini_api_key)
    return tuple(key.get_secret_value() for key in keys)


def without_secrets(text: str, known: Iterable[str], secrets: tuple[str, ...]) -> str:
    """A text for a comment, or a word about what it holds; `known` texts are public already.

    A comment tells people how a run goes, so it is written all the same.
    """
    try:
        told = told_in_texts([text], known, secrets, Allowed())
    except ChangeTooLargeError:
        return LEFT_OUT.format("more than can be looked through for secrets")
    kinds = sorted({each.kind for each in told})
    return LEFT_OUT.format(", ".join(kinds)) if kinds else text
