"""Which installation a container belongs to: two on one engine must not reap each other's."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def instance_id(data_dir: Path) -> str:
    """The random id of this data folder; made at the first use."""
    file = data_dir / "instance"
    try:
        return file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return _make(file)


def _make(file: Path) -> str:
    """Write a new id under another name and link it in place: the first of several wins."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"instance.{secrets.token_hex(4)}")
    draft.write_text(secrets.token_hex(8), encoding="ascii")
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return file.read_text(encoding="ascii").strip()
