"""Fixtures that all tests share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cifar_dir() -> Path:
    """The folder that COLOURNET_DATA names, or a copy of the data beside the checkout; skips where there is neither."""
    named = os.environ.get("COLOURNET_DATA")
    for candidate in [Path(named)] if named else [Path(__file__).parents[2] / "shared" / "data"]:
        if (candidate / "cifar-10-batches-py" / "data_batch_1").exists():
            return candidate.resolve()
    pytest.skip("needs CIFAR-10: set COLOURNET_DATA to a folder with cifar-10-batches-py")
