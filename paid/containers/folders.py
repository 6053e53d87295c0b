"""Folders that containers write and the host makes and removes, without looking into them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

CONTAINER_USER = 1000


def give_to_container(folder: Path) -> None:
    """Make a folder that the containers' user can write.

    A host that is neither root nor that user opens it to all: its parents are closed to others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, CONTAINER_USER, CONTAINER_USER)
        folder.chmod(0o755)
    elif os.geteuid() == CONTAINER_USER:
        folder.chmod(0o755)
    else:
        folder.chmod(0o777)


def remove_tree(folder: Path) -> bool:
    """Remove a folder, however deep; links are removed, not followed. False if some is left.

    `rm` walks with descriptors, so that neither depth nor a swapped link leads it astray.
    """
    if not folder.exists() and not folder.is_symlink():
        return True
    subprocess.run(
        ["rm", "-rf", "--one-file-system", "--", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return not folder.exists()
