"""Two light agents, their real programs, two wire protocols: locked container to vendor and back.

`bin/agents-e2e` does the same with all of them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paid.agents.events import Message
from paid.agents.protocol import How
from tests.agents.rig import Rig

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

CURIOUS = """
env
cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' '\\n'
find /run /etc /workspace /mirror /tmp -type f -readable -size -64k -exec cat {} + \\
    | tr -cd '[:print:]\\n'
python3 - <<'PROGRAM'
import json, os, urllib.request
body = {"model": "gpt-5.5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}
request = urllib.request.Request(
    os.environ["OPENAI_BASE_URL"] + "/chat/completions",
    json.dumps(body).encode(),
    {"authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "content-type": "application/json"},
)
print(urllib.request.urlopen(request).status)
PROGRAM
"""
LIGHT = {"codex": "/v1/responses", "qwen": "/v1/chat/completions"}


@pytest.mark.parametrize("name", LIGHT)
def test_a_real_agent_does_a_small_task_and_the_ledger_equals_the_bill(
    name: str, rig: Rig, installed: Callable[[str], None]
) -> None:
    installed(name)
    played = rig.play(name)
    assert played.ending.how is How.FINISHED, played.output
    assert played.files == {"hello.txt": "Hello."}
    assert any(isinstance(event, Message) for event in played.events)
    assert {entry.path for entry in played.bill} == {LIGHT[name]}
    assert played.reserved_microdollars == 0
    assert played.ledger_microdollars == played.billed_microdollars > 0


def test_a_turn_continues_the_session_of_the_turn_before(
    rig: Rig, installed: Callable[[str], None]
) -> None:
    installed("codex")
    first = rig.play("codex")
    arrived = len(rig.model.requests)
    second = rig.play("codex", "Thank you; is it done?", first.session_id)
    assert second.session_id == first.session_id
    asked = rig.model.requests[arrived].body.decode()
    assert "Write a greeting for the people" in asked
    assert "Thank you; is it done?" in asked


def test_no_key_of_a_vendor_is_in_reach_of_an_agent(
    rig: Rig, installed: Callable[[str], None]
) -> None:
    """A program of one's own prints every environment and file it can read, and asks a model."""
    installed("command")
    played = rig.play("command", argv=("sh", "-c", CURIOUS))
    assert "PAID_RUN_TOKEN=" in played.output
    assert rig.model.key not in played.output
    asked = rig.model.requests[-1]
    assert rig.model.key in str(dict(asked.headers)), "the gateway put the key in"
    assert "PAID_RUN_TOKEN" not in str(dict(asked.headers))
    assert played.ledger_microdollars == played.billed_microdollars > 0
