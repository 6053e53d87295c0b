"""Nothing that an agent's bundle can hold takes the host's memory or time (threats 12 and 13)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from paid.attack.payloads import PAYLOADS

MOST_KIB = 512 * 1024
MOST_SECONDS = 120
"""Of a slow machine with neighbours; alone none takes half a minute."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("payloads")
    done = subprocess.run(
        [sys.executable, "-m", "paid.attack.try_payloads", str(folder)],
        stdout=subprocess.PIPE,
        check=True,
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {one["name"]: one for one in told}


def test_there_are_fifty_payloads_at_least() -> None:
    assert len(PAYLOADS) >= 75


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_a_payload_ends_as_it_should(payload: Any, seen: dict[str, Any]) -> None:
    """It is taken or refused as the change that it is, for good, without much memory or time."""
    told = seen[payload.name]
    if payload.refused is None:
        assert told["refused"] is None
    elif payload.refused:
        assert re.search(payload.refused, told["refused"] or "")
    if told["refused"] is not None:
        assert "(again: False)" in told["refused"]
        assert told["refused"].startswith(("BundleRejectedError", "ChangeTooLargeError"))
    assert told["child_kib"] < MOST_KIB
    assert told["seconds"] < MOST_SECONDS
