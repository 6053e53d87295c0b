"""The scripted model as a program: prints one JSON line with its address, then serves."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from paid.demo.scripted_model.server import ScriptedModel
from paid.demo.waiting import until_told_to_stop


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m paid.demo.scripted_model")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--key-file", type=Path, help="a file with the key that clients must send")
    parser.add_argument("--tokens-per-second", type=float, help="how fast words are streamed")
    given = parser.parse_args()
    key = given.key_file.read_text().strip() if given.key_file else None
    model = ScriptedModel(given.port, key, given.tokens_per_second)
    shown = {"url": model.start()} | ({} if key else {"key": model.key})
    print(json.dumps(shown), flush=True)
    until_told_to_stop()
    model.stop()


if __name__ == "__main__":
    main()
