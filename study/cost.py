"""What a search space will cost, estimated without running it. Standard library only."""

from __future__ import annotations

import random
import statistics
from dataclasses import dataclass

from colournet.config import TrainConfig
from study.space import Space

_SECONDS_PER_IMAGE = 1.5e-4
_SECONDS_PER_MULTIPLY_ADD = 8e-11
"""Forward, backward and update, one thread of a server core with AVX2, measured on the assignment's UNet at batch 100."""

_TRAIN_IMAGES = {
    ("cifar10", "split"): 4000,
    ("cifar10", "handout"): 5000,
    ("scenes", "split"): 1200,
    ("scenes", "handout"): 1500,
}
_SIDE = 32
_SAMPLES = 200


@dataclass(frozen=True)
class Estimate:
    """An upper bound of the work: no trial is pruned."""

    epochs: float
    """Epochs of all trials together."""
    core_seconds: float
    """Seconds on one CPU core."""


def multiply_adds(config: TrainConfig) -> int:
    """Multiply-adds of one forward pass over one 32 x 32 image."""
    f, skips = config.num_filters, config.model in ("unet", "dilated_unet")
    c = 3 if config.is_regression else config.num_colours
    pixels = _SIDE**2
    layers = [
        (1, f, pixels),
        (f, 2 * f, pixels // 4),
        (2 * f, 2 * f, pixels // 16),
        (4 * f if skips else 2 * f, f, pixels // 16),
        (2 * f if skips else f, c, pixels // 4),
        (c + 1 if skips else c, c, pixels),
    ]
    return sum(channels_in * channels_out * size for channels_in, channels_out, size in layers) * config.kernel_size**2


def estimate(space: Space) -> Estimate:
    """Estimate the cost of a space's trials from random configurations."""
    generator = random.Random(0)
    configs = [space.config(space.sample(generator)) for _ in range(_SAMPLES)]
    epochs = statistics.fmean(config.epochs for config in configs)
    seconds = statistics.fmean(config.epochs * _epoch_seconds(config) for config in configs)
    return Estimate(epochs=space.trials * epochs, core_seconds=space.trials * seconds)


def _epoch_seconds(config: TrainConfig) -> float:
    images = config.train_images or _TRAIN_IMAGES[config.dataset, config.protocol]
    images *= 1 + len(config.extra_classes)
    return images * (_SECONDS_PER_IMAGE + _SECONDS_PER_MULTIPLY_ADD * multiply_adds(config))
