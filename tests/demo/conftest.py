from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from paid.demo.forge import Forge
from paid.demo.forge.sample import Planted, plant
from paid.demo.scripted_model import ScriptedModel


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A scripted model on a port of its own."""
    model = ScriptedModel()
    model.start()
    yield model
    model.stop()


@pytest.fixture
def forge(tmp_path: Path) -> Iterator[Forge]:
    """A forge on a port of its own, with the sample repository planted by `planted`."""
    forge = Forge(tmp_path / "forge")
    forge.start()
    yield forge
    forge.stop()


@pytest.fixture
def planted(forge: Forge) -> Planted:
    """The sample repository, and the robot's token."""
    return plant(forge)
