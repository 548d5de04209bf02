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
_GREY_LEVELS = 64
_SAMPLES = 200


_Layer = tuple[int, int, int]  # channels in, channels out, pixels


@dataclass(frozen=True)
class Estimate:
    """An upper bound of the work: no trial is pruned."""

    epochs: float
    """Epochs of all trials together."""
    core_seconds: float
    """Seconds on one CPU core."""


def multiply_adds(config: TrainConfig) -> int:
    """Multiply-adds of one forward pass over one 32 x 32 image."""
    table = _GREY_LEVELS * config.num_outputs * _SIDE**2 if config.grey_table else 0
    return table + config.kernel_size**2 * sum(
        channels_in * channels_out * size for channels_in, channels_out, size in _layers(config)
    )


def activations(config: TrainConfig) -> int:
    """Numbers that the convolutions answer for one 32 x 32 image; of a transposed one, which answers four at a time, a quarter.

    A measure by which to compare what configurations need of memory, which also depends on what torch keeps.
    """
    return sum(channels_out * size for _, channels_out, size in _layers(config))


def _layers(config: TrainConfig) -> list[_Layer]:
    return [*_ends(config), *_downs(config), *_ups(config)]


def _ends(config: TrainConfig) -> list[_Layer]:
    """The convolutions at full resolution: the last one, and those of a full-resolution skip."""
    f, c, pixels = config.num_filters, config.num_outputs, _SIDE**2
    if not config.full_resolution_skip:
        return [(c + 1 if config.has_skips else c, c, pixels)]
    return [(1, f, pixels), (2 * f, f, pixels), (f, c, pixels), *_residual(config, f, pixels)]


def _downs(config: TrainConfig) -> list[_Layer]:
    """The blocks that halve the image, which a pooling one does after its convolution, and the middle one."""
    layers, channels, pixels = [], config.num_filters if config.full_resolution_skip else 1, _SIDE**2
    for width in _widths(config):
        layers.append((channels, width, pixels if config.down_sampling == "pool" else pixels // 4))
        channels, pixels = width, pixels // 4
        layers += _residual(config, width, pixels)
    return [*layers, (channels, channels, pixels), *_residual(config, channels, pixels)]


def _ups(config: TrainConfig) -> list[_Layer]:
    """The blocks that double the image, after a convolution, or by a transposed one, which costs as much."""
    widths = _widths(config)
    outputs = [*reversed(widths[:-1]), config.num_filters if config.full_resolution_skip else config.num_outputs]
    layers, channels, pixels = [], widths[-1], _SIDE**2 // 4**config.depth
    for mirror, output in zip(reversed(widths), outputs, strict=True):
        layers.append((channels + mirror if config.has_skips else channels, output, pixels))
        channels, pixels = output, pixels * 4
    return layers


def _residual(config: TrainConfig, channels: int, pixels: int) -> list[_Layer]:
    return [(channels, channels, pixels)] * (2 * config.residual_blocks)


def _widths(config: TrainConfig) -> list[int]:
    return [config.num_filters * 2**level for level in range(config.depth)]


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
