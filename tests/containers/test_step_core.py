"""What paid-step has in place of `json`, `hmac` and `subprocess` does the same."""

from __future__ import annotations

import hmac
import json
import os
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paid.containers.image.paid_step import core, processes

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
)
LOADED = """\
import sys
sys.path.insert(0, sys.argv[1])
from paid_step import main, modes, trusted
print(*sorted(sys.modules))
"""


@given(st.dictionaries(TEXTS, VALUES))
def test_json_reads_what_is_written_and_the_other_way_round(value: dict[str, object]) -> None:
    assert json.loads(core.write_json(value)) == value
    assert core.read_json(json.dumps(value, indent=1)) == value


@pytest.mark.parametrize("text", ["", "{", '{"a": 1} x', "{'a': 1}", '{"a": "\n"}', "[1,]", "nul"])
def test_what_is_not_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is the C module's
        core.read_json(text)


@given(st.binary(min_size=1), st.binary())
def test_the_signature_is_an_hmac(key: bytes, message: bytes) -> None:
    assert core.hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


def test_a_program_gets_its_input_and_gives_output_errors_and_code() -> None:
    script = "cat; echo trouble >&2; exit 3"
    data = b"x" * 1_000_000

    done = processes.run(["sh", "-c", script], os.environ, data, 30)

    assert (done.code, done.output, done.errors) == (3, data, b"trouble\n")


def test_a_program_that_takes_too_long_is_ended_with_its_children() -> None:
    with pytest.raises(TimeoutError):
        processes.run(["sh", "-c", "sleep 600 & sleep 600"], os.environ, b"", 0.2)


def test_a_program_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(FileNotFoundError):
        processes.run(["/nonexistent"], os.environ, b"", 1)


def test_a_start_loads_nothing_that_is_slow() -> None:
    folder = os.path.dirname(os.path.dirname(core.__file__))

    done = processes.run([sys.executable, "-ISc", LOADED, folder], {}, b"", 30)

    loaded = set(done.output.decode().split())
    assert "paid_step.modes" in loaded, done.errors
    assert not loaded & {"re", "enum", "json", "socket", "subprocess", "typing", "contextlib"}


def test_a_turns_time_stands_still_while_its_container_is_frozen() -> None:
    clock = processes.Clock(most_seconds=0.05)
    time.sleep(0.5)  # as a frozen process looks at nothing
    assert clock.now() <= 0.05
    for _ in range(20):
        time.sleep(0.005)
        clock.now()
    assert 0.1 <= clock.now() <= 0.05 + 20 * 0.05
