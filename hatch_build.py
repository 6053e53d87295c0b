"""Fetches the dashboard's third-party files before hatchling packs them into the wheel.

They are never in the repository; pyproject.toml names them as artifacts.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))

from paid.setup import assets


class VendoredAssets(BuildHookInterface):  # type: ignore[type-arg]
    """Fetches the files, unless `bin/setup` did."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs."""
        folder = assets.folder(Path(self.root))
        if not assets.are_there(folder):
            with tempfile.TemporaryDirectory() as cache:
                assets.install(folder, Path(cache))
