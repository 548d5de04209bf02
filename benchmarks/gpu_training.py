"""How long the assignment's 25 epochs of the UNet take on a GPU, and whether multiplying in bfloat16 costs any loss.

Each seed is trained in either precision, taking turns in who begins, after a round that does not count. Without a GPU nothing is
measured, and the goals stay open.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from benchmarks.figures import figure, goal
from colournet import cifar10
from colournet.config import TrainConfig
from colournet.data import TrainingData, prepare
from colournet.training import train
from colournet.values import PRECISIONS

_UNET = {"model": "unet", "kernel_size": 3, "num_filters": 32, "batch_size": 100, "epochs": 25}
_MOST_SECONDS = 2.0
_MOST_ERRORS = 2.0
"""Standard errors of a difference of means that are noise."""


def measure(*, rounds: int = 5, device: str | None = None, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Train each of so many seeds both ways on the GPU, or where `device` says, with some other `settings`."""
    device = device or ("cuda" if torch.cuda.is_available() else None)
    config = _config({**_UNET, **(settings or {})})
    runs = {precision: [] for precision in PRECISIONS} if device is None else _train_all(config, device, rounds)
    losses = {precision: [loss for _, loss in found] for precision, found in runs.items()}
    seconds = {precision: [each for each, _ in found] for precision, found in runs.items()}
    epochs = f"{config.epochs} epochs of the UNet on a GPU"
    return {
        "device": device,
        "config": config.to_mapping(),
        "goals": [
            goal(f"{epochs}, with its default precision", seconds[config.precision], unit="s", at_most=_MOST_SECONDS),
            goal(
                "the mean loss that bf16 adds to float32's there, in standard errors",
                _errors(losses["bf16"], losses["float32"]),
                unit="",
                at_most=_MOST_ERRORS,
            ),
        ],
        "figures": [
            *(figure(f"{epochs}, {name}", found, unit="s") for name, found in seconds.items() if found),
            *(figure(f"best validation loss, {name}", found, unit="nats") for name, found in losses.items() if found),
        ],
    }


def _config(settings: Mapping[str, Any]) -> TrainConfig:
    dataset = "scenes" if cifar10.find(None) is None else "cifar10"
    return TrainConfig(**{"dataset": dataset, **settings})


def _train_all(config: TrainConfig, device: str, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """For each precision the seconds and the best validation loss of every round."""
    data = prepare(config).for_run(config)
    found: dict[str, list[tuple[float, float]]] = {precision: [] for precision in PRECISIONS}
    for number in range(rounds + 1):
        for precision in sorted(PRECISIONS, reverse=number % 2 == 1):
            run = _train(config.replace(precision=precision, seed=number, device=device), data)
            found[precision] += [run] if number else []
    return found


def _train(config: TrainConfig, data: TrainingData) -> tuple[float, float]:
    began = time.perf_counter()
    result = train(config, data)
    return time.perf_counter() - began, result.best.val_loss


def _errors(losses: Sequence[float], others: Sequence[float]) -> list[float]:
    """How far the mean of some losses is above that of others of the same seeds; nothing where two seeds are not there."""
    added = [loss - other for loss, other in zip(losses, others, strict=True)]
    if len(added) < 2:
        return []
    error = statistics.stdev(added) / len(added) ** 0.5
    return [statistics.mean(added) / error if error else 0.0]
