"""The forge as a program: prints one JSON line with its addresses, then serves."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from paid.demo.forge.sample import plant
from paid.demo.forge.server import Forge
from paid.demo.waiting import until_told_to_stop


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m paid.demo.forge")
    parser.add_argument("--root", type=Path, required=True, help="folder of the git repositories")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--sample", action="store_true", help="with the demo's repository")
    given = parser.parse_args()
    given.root.mkdir(parents=True, exist_ok=True)
    forge = Forge(given.root, given.port)
    shown = {"url": forge.start(), "api_url": forge.api_url}
    if given.sample:
        planted = plant(forge)
        shown |= {"repository": planted.repository, "token": planted.token}
    print(json.dumps(shown), flush=True)
    until_told_to_stop()
    forge.stop()


if __name__ == "__main__":
    main()
