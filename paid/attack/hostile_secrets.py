"""Leaves a key in a file, hidden in one of the ways of `hidings`.

This file is the agent, like `from_inside`. The repository holds the hidden keys behind a mask, so
that none is in the base; the issue's text names the one to leave (`attack: FILE`).
"""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

MASK = 0x5A


def masked(data: bytes) -> bytes:
    """The data so that no scan knows it; twice is the data again."""
    return bytes(byte ^ MASK for byte in data)


def main(asked: str) -> None:
    """Leave the key; asked again, because it was found, leave it all the same."""
    name = re.search(r"attack: (\w+)", asked)
    if name:
        kept = base64.b85decode(Path(f"masked/{name[1]}").read_text())
        Path("left.bin").write_bytes(masked(kept))


if __name__ == "__main__":
    main(sys.stdin.read())
