from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.plain_text import plain, shortened


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]52;c;c2VjcmV0\x07text", "text"),
        ("\x1b]52;c;c2VjcmV0\x1b\\text", "text"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b[2J\x1b[1;1Hclean", "clean"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9ctext", "text"),
        ("safe\rEVIL", "safe\nEVIL"),
        ("a\r\nb", "a\nb"),
        ("back\b\b\b\bgone", "backgone"),
        ("bell\x07 null\x00 delete\x7f", "bell null delete"),
        ("tab\tstays", "tab\tstays"),
        ("\u202eelif.exe", "\ufffdelif.exe"),
        ("a\u2028b\u0085c", "a\nb\nc"),
        ("caf\u00e9 \U0001f600", "caf\u00e9 \U0001f600"),
    ],
)
def test_only_what_is_safe_to_look_at_is_left(printed: str, shown: str) -> None:
    assert plain(printed) == shown


@given(st.text())
def test_nothing_that_controls_a_terminal_is_ever_left(printed: str) -> None:
    left = plain(printed)
    assert all(char in "\t\n" or (char >= " " and not "\x7f" <= char <= "\x9f") for char in left)
    left.encode("utf-8")


@given(st.text(), st.integers(1, 50))
def test_a_shortened_text_says_that_it_is(printed: str, most: int) -> None:
    cut = shortened(printed, most)
    assert len(cut) <= most + 2
    assert cut == plain(printed[: 4 * most]) or cut.endswith(" …")
