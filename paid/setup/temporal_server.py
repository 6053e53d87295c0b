"""The Temporal development server: the one that is there, the SDK's download, or a build."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from temporalio.testing import WorkflowEnvironment

from paid.embedded import temporal_binary
from paid.errors import EmbeddedServiceError
from paid.setup import go_tools

DOWNLOAD_SECONDS = 120


def ensure(cache_dir: Path, say: Callable[[str], None]) -> Path:
    """Return the program's path, after getting it if need be."""
    try:
        return temporal_binary.find(cache_dir)
    except EmbeddedServiceError:
        pass
    target = temporal_binary.pinned_path(cache_dir)
    say("trying the Temporal SDK's download")
    downloaded = _download(target.parent.with_name("download"))
    if downloaded is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        return downloaded.replace(target)
    say("not to be had; building it with go, which takes about three minutes")
    program = f"github.com/temporalio/cli/cmd/temporal@v{temporal_binary.PINNED}"
    go_tools.install(target.parent, program, cache_dir=cache_dir)
    return target


def _download(folder: Path) -> Path | None:
    """Let the SDK fetch its server into a folder; None when it cannot, for whatever reason."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(asyncio.wait_for(_start_once(folder), DOWNLOAD_SECONDS))
    except (RuntimeError, TimeoutError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return next((path for path in folder.iterdir() if path.is_file()), None)


async def _start_once(folder: Path) -> None:
    environment = await WorkflowEnvironment.start_local(
        download_dest_dir=str(folder), dev_server_download_version="default"
    )
    await environment.shutdown()
