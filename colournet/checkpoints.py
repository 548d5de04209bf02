"""Files that hold weights, all in safetensors: loading one runs no code.

Two kinds. A *model* is a network with its config and palette, ready to colour. A *checkpoint* is a training run in
mid-course: weights, optimizer, generator, epoch history and config, from which training goes on to the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from colournet import tensor_files
from colournet.config import TrainConfig
from colournet.errors import CheckpointError, ConfigError
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.names import CHECKPOINT_FORMAT, MODEL_FORMAT
from colournet.spaces import SPACES

_HINT = "a finished run leaves model.safetensors, every epoch checkpoints/"


@dataclass(frozen=True)
class Model:
    """A trained network with all that is needed to use it."""

    network: nn.Module
    config: TrainConfig
    palette: Float32[np.ndarray, "k d"]
    """RGB or chroma, as the config's colour space says."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A training run after the last epoch of `history`."""

    config: TrainConfig
    history: tuple[EpochMetrics, ...]
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    """Adam's state, keyed `INDEX.NAME`: parameter index and one of `step`, `exp_avg`, `exp_avg_sq`."""
    generator: Tensor
    """State of the generator that shuffles and augments."""


def save_model(path: Path, model: Model) -> None:
    """Write a model file, whole or not at all. Raises OSError with its number where the disk is full or refuses."""
    tensors = {f"weights.{name}": tensor for name, tensor in model.network.state_dict().items()}
    tensor_files.save(path, {**tensors, "palette": torch.tensor(model.palette)}, _describe(MODEL_FORMAT, model.config))


def load_model(path: Path) -> Model:
    """Read a model file. Raises `CheckpointError` if it is missing, damaged, or does not fit its own config."""
    tensors, description = tensor_files.load(path, MODEL_FORMAT, hint=_HINT)
    config = _config(path, description)
    network = build(config)
    tensor_files.load_weights(network, _within(tensors, "weights."), source=path)
    palette = tensors.get("palette")
    shape = (config.num_colours, SPACES[config.colour_space].channels)
    if palette is None or palette.shape != shape or palette.dtype != torch.float32:
        raise CheckpointError(f"{path}: holds no palette of {config.palette_name.words}")
    return Model(network, config, palette.numpy())


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint, whole or not at all. Raises as `save_model`."""
    tensors = {f"weights.{name}": tensor for name, tensor in checkpoint.weights.items()}
    tensors |= {f"optimizer.{name}": tensor for name, tensor in checkpoint.optimizer.items()}
    tensors["generator"] = checkpoint.generator
    description = _describe(CHECKPOINT_FORMAT, checkpoint.config)
    description["history"] = [metrics.to_mapping() for metrics in checkpoint.history]
    tensor_files.save(path, tensors, description)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises `CheckpointError` if it is missing, damaged, or of another kind."""
    tensors, description = tensor_files.load(path, CHECKPOINT_FORMAT, hint=_HINT)
    generator = tensors.get("generator")
    if generator is None:
        raise CheckpointError(f"{path}: holds no generator state")
    return Checkpoint(
        config=_config(path, description),
        history=_history(path, description),
        weights=_within(tensors, "weights."),
        optimizer=_within(tensors, "optimizer."),
        generator=generator,
    )


def read_history(path: Path) -> tuple[EpochMetrics, ...]:
    """The epochs that a checkpoint has behind it, without loading its tensors."""
    return _history(path, tensor_files.read_description(path, CHECKPOINT_FORMAT, hint=_HINT))


def read_run(path: Path) -> tuple[TrainConfig, tuple[EpochMetrics, ...]]:
    """The config of a checkpoint and its epochs, without loading its tensors."""
    description = tensor_files.read_description(path, CHECKPOINT_FORMAT, hint=_HINT)
    return _config(path, description), _history(path, description)


def _describe(kind: str, config: TrainConfig) -> dict[str, Any]:
    return {"format": kind, "config": config.to_mapping()}


def _config(path: Path, description: Mapping[str, Any]) -> TrainConfig:
    values = description.get("config")
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: holds no config")
    try:
        return TrainConfig.from_mapping(values)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its config: {error.message}", hint=error.hint) from error


def _history(path: Path, description: Mapping[str, Any]) -> tuple[EpochMetrics, ...]:
    try:
        history = tuple(EpochMetrics.from_mapping(row) for row in description["history"])
    except (KeyError, TypeError, OverflowError) as error:
        raise CheckpointError(f"{path}: its history cannot be read: {error!r}") from error
    if [metrics.epoch for metrics in history] != list(range(1, len(history) + 1)):
        raise CheckpointError(f"{path}: its history skips an epoch")
    return history


def _within(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
