"""Trials per hour of configurations trained as one stacked network, over the same ones trained one after another.

On a CPU stacking is expected to lose, and is done only where it is asked for: the figure says by how much. The goal is for a GPU.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from benchmarks.figures import figure, goal
from colournet.config import TrainConfig
from colournet.data import TrainingData, prepare
from colournet.fused import train_fused
from colournet.training import TrainResult, train

_GOAL = 10.0
_ON_GPU = {"members": 16, "num_filters": 32, "train_images": 1200, "epochs": 5}
_ON_CPU = {"members": 4, "num_filters": 8, "train_images": 200, "epochs": 2}


def measure(*, rounds: int = 5, sizes: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Train the same configurations both ways in each round, taking turns in who begins, after a round that does not count."""
    on_gpu = torch.cuda.is_available()
    sizes = sizes or (_ON_GPU if on_gpu else _ON_CPU)
    configs = _configs(**sizes)
    data = prepare(configs[0]).for_run(configs[0])
    ways: dict[str, Callable[[], Sequence[TrainResult]]] = {
        "fused": lambda: train_fused(configs, data),
        "alone": lambda: _one_after_another(configs, data),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    apart = 0.0
    for number in range(rounds + 1):
        results = {}
        for name in sorted(ways, reverse=number % 2 == 1):
            results[name], seconds = _timed(ways[name])
            rates[name] += [3600 * len(configs) / seconds] if number else []
        apart = max(apart, _apart(results["fused"], results["alone"]))
    ratios = [fused / alone for fused, alone in zip(rates["fused"], rates["alone"], strict=True)]
    where = torch.cuda.get_device_name() if on_gpu else "a CPU, one thread"
    return {
        "device": where,
        "sizes": {"rounds": rounds, **sizes},
        "goals": [goal("fused over one after another, on a GPU", ratios if on_gpu else [], unit="x", at_least=_GOAL)],
        "figures": [
            figure(f"fused over one after another, on {where}", ratios, unit="x"),
            *(figure(f"{name}, on {where}", found, unit="trials an hour") for name, found in rates.items()),
            figure("largest relative difference of a validation loss, fused and alone", [apart], unit=""),
        ],
        "verdict": f"on {where} a stack of {len(configs)} {'wins' if statistics.median(ratios) > 1 else 'loses'}",
    }


def _configs(*, members: int, num_filters: int, train_images: int, epochs: int) -> list[TrainConfig]:
    """Of one shape, each with a rate, a seed and an augmentation of its own."""
    first = TrainConfig(
        dataset="scenes", num_filters=num_filters, train_images=train_images, epochs=epochs, num_colours=24
    )
    return [
        first.replace(learning_rate=1e-3 * (1 + member / members), seed=member, flip_horizontal=member % 2 == 1)
        for member in range(members)
    ]


def _one_after_another(configs: Sequence[TrainConfig], data: TrainingData) -> list[TrainResult]:
    return [train(config, data) for config in configs]


def _timed(way: Callable[[], Sequence[TrainResult]]) -> tuple[Sequence[TrainResult], float]:
    began = time.perf_counter()
    return way(), time.perf_counter() - began


def _apart(fused: Sequence[TrainResult], alone: Sequence[TrainResult]) -> float:
    """How far the losses of the last epoch are apart, at most, as a share of them."""
    pairs = [(one.history[-1].val_loss, other.history[-1].val_loss) for one, other in zip(fused, alone, strict=True)]
    return max(abs(one - other) / other for one, other in pairs)
