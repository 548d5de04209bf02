"""What the weight files of a trial say: whose they are, and how far it had come. Standard library only.

`colournet.checkpoints` writes and loads them; here they are only looked at, without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet.config import TrainConfig
from colournet.errors import CheckpointError, ConfigError
from colournet.metrics import EpochMetrics
from colournet.names import CHECKPOINT_FORMAT, METADATA_ENTRY, MODEL_FORMAT
from study.safetensors_header import read_metadata


@dataclass(frozen=True)
class Description:
    """What a weight file says of itself."""

    config: TrainConfig
    history: tuple[Mapping[str, Any], ...] = ()
    """The epochs behind a checkpoint, from 1, each with the fields of `EpochMetrics`; a model has none."""


def describe_model(path: Path) -> Description:
    """Look at a model. Raises `CheckpointError`, which does not repeat the path, for anything but a whole one."""
    return Description(_config(_read(path, MODEL_FORMAT)))


def describe_checkpoint(path: Path) -> Description:
    """Look at a checkpoint. Raises as `describe_model`."""
    found = _read(path, CHECKPOINT_FORMAT)
    return Description(_config(found), _history(found))


def _read(path: Path, expected: str) -> Mapping[str, Any]:
    try:
        found = json.loads(read_metadata(path).get(METADATA_ENTRY, "{}"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError("its description is not JSON") from error
    kind = found.get("format") if isinstance(found, dict) else None
    if kind != expected:
        held = kind if isinstance(kind, str) and len(kind) < 100 else "no format"
        raise CheckpointError(f"holds {held!r}, where {expected!r} is needed")
    return dict(found)


def _config(found: Mapping[str, Any]) -> TrainConfig:
    config = found.get("config")
    if not isinstance(config, dict):
        raise CheckpointError("holds no config")
    try:
        return TrainConfig.from_mapping(config)
    except ConfigError as error:
        raise CheckpointError(f"its config: {error.message}") from error


def _history(found: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    try:
        rows = [EpochMetrics.from_mapping(row).to_mapping() for row in found["history"]]
    except (LookupError, TypeError, OverflowError) as error:
        raise CheckpointError("its history cannot be read") from error
    if [row["epoch"] for row in rows] != list(range(1, len(rows) + 1)):
        raise CheckpointError("its history skips an epoch")
    return tuple(rows)
