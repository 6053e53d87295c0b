"""Ctrl-C is known again behind what a library made of it."""

from __future__ import annotations

import pytest

from paid.errors import PaidError
from paid.process_end import was_interrupted


def _like_a_library() -> None:
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        raise ValueError("in the library's words")  # noqa: B904 - as libraries do


def test_an_interrupt_is_found_behind_a_librarys_error() -> None:
    with pytest.raises(ValueError, match="library") as caught:
        _like_a_library()
    assert was_interrupted(caught.value)


def test_an_errors_hint_is_a_sentence_of_its_own() -> None:
    assert str(PaidError("GitHub answered 403: no", hint="Give it.")).endswith("403: no. Give it.")
    assert str(PaidError("No.", hint="Give it.")) == "No. Give it."


def test_any_other_error_is_no_interrupt() -> None:
    assert not was_interrupted(ValueError("nobody pressed anything"))
