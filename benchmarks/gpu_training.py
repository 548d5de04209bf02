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


def measure(*, rounds: int = 5, device: str | None = None, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Train each of so many seeds both ways on the GPU, or where `device` says, with some other `settings`."""
    device = device or ("cuda" if torch.cuda.is_available() else None)
    config = _config({**_UNET, **(settings or {})})
    runs = {precision: [] for precision in PRECISIONS} if device is None else _train_all(config, device, rounds)
    losses = {precision: [loss for _, loss in found] for precision, found in runs.items()}
    seconds = {precision: [each for each, _ in found] for precision, found in runs.items()}
    images = "CIFAR-10's horses" if config.dataset == "cifar10" else "drawn scenes"
    work = f"{config.epochs} epochs of the UNet on {images}, on a GPU"
    return {
        "device": device,
        "sizes": {**{name: getattr(config, name) for name in _UNET}, "dataset": config.dataset, "rounds": rounds},
        "goals": [
            goal(work, seconds[config.precision], unit="s", at_most=_MOST_SECONDS),
            goal(
                "what bf16 adds to a seed's best validation loss there, float32's own spread over seeds being 1",
                in_spreads(losses["bf16"], losses["float32"]),
                unit="",
                at_most=1.0,
            ),
        ],
        "figures": [
            *(figure(f"{work}, {name}", found, unit="s") for name, found in seconds.items() if found),
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


def in_spreads(losses: Sequence[float], others: Sequence[float]) -> list[float]:
    """How far losses are above others of the same seeds, in standard deviations of these; nothing of fewer than two seeds."""
    if len(others) < 2:
        return []
    spread = statistics.stdev(others)
    return [(loss - other) / spread for loss, other in zip(losses, others, strict=True)]
