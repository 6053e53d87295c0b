"""Names of people, as pages of GitHub may show them."""

from __future__ import annotations

import pytest

from paid.people import published


@pytest.mark.parametrize(
    "name", ["root (command line)", "maria.secret (command line)", "command line"]
)
def test_a_user_of_the_host_is_not_named(name: str) -> None:
    assert published(name) == "somebody at Paid's command line"


@pytest.mark.parametrize("name", ["maria", "paid-robot[bot]", "admin (dashboard)"])
def test_others_are(name: str) -> None:
    assert published(name) == name
