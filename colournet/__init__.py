"""Small networks that colour small pictures: the work of one trial, standing alone.

from pathlib import Path
from colournet import TrainConfig, prepare, train

config = TrainConfig(dataset="scenes", epochs=5)
result = train(config, prepare(config).for_run(config))
"""

from importlib import import_module
from typing import Any

_EXPORTS = {
    "TrainConfig": "colournet.config",
    "Objective": "colournet.objective",
    "EpochMetrics": "colournet.metrics",
    "prepare": "colournet.data",
    "train": "colournet.training",
    "evaluate": "colournet.evaluation",
    "build": "colournet.models",
}

__all__ = list(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_EXPORTS[name]), name)
