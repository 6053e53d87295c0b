"""A program that keeps the contract of the agent `command`, and nothing more: no library, no agent.

It runs in the container, read from its command line, with the image's own Python.
"""

import json
import os
import pathlib
import sys
import urllib.request

kept = pathlib.Path.home() / "conversation.json"
# a turn that ended before its first answer had a session, and nothing to keep of it
messages = json.loads(kept.read_text()) if kept.exists() else []
messages.append({"role": "user", "content": sys.stdin.read()})
print(json.dumps({"kind": "session", "session_id": "the-only-one"}), flush=True)
asked = urllib.request.Request(  # noqa: S310 - the gateway's address, on loopback
    f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
    json.dumps({"model": "gpt-5-mini", "messages": messages}).encode(),
    {
        "authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
        "content-type": "application/json",
    },
)
with urllib.request.urlopen(asked, timeout=60) as response:  # noqa: S310
    answer = json.load(response)
message = answer["choices"][0]["message"]
messages.append({"role": "assistant", "content": message.get("content") or "I make the file."})
kept.write_text(json.dumps(messages))
if len(messages) == 2:  # the first turn
    pathlib.Path("hello.txt").write_text("Hello.")
    print(json.dumps({"kind": "file_change", "path": "hello.txt", "change": "add"}))
print(json.dumps({"kind": "message", "text": "Done."}))
