"""Agents of the agent `command` that ask the scripted model, as a real one would."""

from __future__ import annotations

ASK = """
import json, os, pathlib, time, urllib.request
body = {"model": "gpt-5.2", "max_output_tokens": 1000, "input": "Say hello."}
request = urllib.request.Request(
    "http://127.0.0.1:8377/openai/v1/responses",
    data=json.dumps(body).encode(),
    headers={"Authorization": "Bearer " + os.environ["PAID_RUN_TOKEN"],
             "Content-Type": "application/json"})
def ask():
    return json.load(urllib.request.urlopen(request, timeout=300))
"""
"""How a program in a container asks; it waits long, because a cap may freeze it."""


def asking(program: str) -> list[str]:
    """The command line of an agent whose program may call `ask`."""
    return ["python3", "-c", ASK + program]
