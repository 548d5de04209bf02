"""What a configuration needs of a GPU: memory, and the share of time in which it computes. Runs in a process of its own.

Written where there was no GPU: what surrounds the measurement is tested, the measurement itself has not been run on one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from colournet.config import TrainConfig
from colournet.data import DataBundle, TrainingData
from colournet.metrics import EpochMetrics
from colournet.training import train
from study.errors import LaunchError

_ACTIVITIES = (torch.profiler.ProfilerActivity.CUDA,)
_MOST_STEPS = 50
_WARM_UP, _TIMED, _PROFILED = 1, 2, 3
"""The epochs: the first pays for starting up; a profile slows the host down, so the time is that of an epoch without one."""
_LEARNING_RATE = 1e-6  # nothing is to be learned, and nothing diverges


@dataclass(frozen=True, kw_only=True)
class Occupancy:
    """What a trial needs of a GPU."""

    gpu: str
    """Its name."""
    total_bytes: int
    needed_bytes: int
    busy: float
    """Share of the time in which the GPU computes, in [0, 1]."""


def measure(configs: Sequence[TrainConfig], bundle: DataBundle) -> Occupancy:
    """Train each configuration for three short epochs; answer the most that any of them needs.

    Raises `LaunchError` where torch sees no GPU, though Ray gave this process one.
    """
    if not torch.cuda.is_available():
        raise _unusable()
    found = [_measure(config, bundle.for_run(config)) for config in configs]
    return replace(found[0], needed_bytes=max(one.needed_bytes for one in found), busy=max(one.busy for one in found))


def _unusable() -> LaunchError:
    why = "it is built for CPUs alone" if torch.version.cuda is None else f"its CUDA is {torch.version.cuda}"
    return LaunchError(
        f"Ray gives trials a GPU that torch cannot use: torch {torch.__version__}, {why}",
        hint="install the torch of the GPU's driver on every node, or launch with --gpus-per-trial 0",
    )


def _measure(config: TrainConfig, data: TrainingData) -> Occupancy:
    """Of one configuration. One that needs more than the GPU has needs all of it.

    What other programs hold of the GPU counts as the trial's, since it cannot be told from the trial's own context.
    """
    total = torch.cuda.mem_get_info()[1]
    name = torch.cuda.get_device_name()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    try:
        busy = _busy_share(config, shortened(data, config.batch_size))
    except torch.OutOfMemoryError:
        return Occupancy(gpu=name, total_bytes=total, needed_bytes=total, busy=1.0)
    outside = total - torch.cuda.mem_get_info()[0] - torch.cuda.memory_reserved()
    needed = outside + torch.cuda.max_memory_reserved() + _left_out(data, config.batch_size)
    return Occupancy(gpu=name, total_bytes=total, needed_bytes=min(needed, total), busy=busy)


def _busy_share(config: TrainConfig, data: TrainingData) -> float:
    """Seconds in which the GPU computes in one epoch, over the seconds that such an epoch takes by itself; at most 1."""
    profile = torch.profiler.profile(activities=_ACTIVITIES)
    seconds: dict[int, float] = {}

    def after(metrics: EpochMetrics) -> None:
        seconds[metrics.epoch] = metrics.seconds
        if metrics.epoch == _TIMED:
            profile.start()
        elif metrics.epoch == _PROFILED:
            profile.stop()

    short = config.replace(epochs=_PROFILED, learning_rate=_LEARNING_RATE, schedule="constant")
    train(short, data, on_epoch=after)
    intervals = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or ()  # type: ignore[no-untyped-call]
        if event.device_type.name == "CUDA" and not event.is_user_annotation
    ]
    return min(covered(intervals) / 1e6 / seconds[_TIMED], 1.0)


def covered(intervals: Iterable[tuple[float, float]]) -> float:
    """How much of a line at least one of the intervals covers: kernels on several streams run at the same time."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        total += max(end - max(start, reached), 0.0)
        reached = max(reached, end)
    return total


def shortened(data: TrainingData, batch_size: int) -> TrainingData:
    """At most so much of the images that an epoch has 50 steps, of those that validate the same part."""
    kept, whole = _kept(data, batch_size), len(data.train_images)
    validating = max(len(data.validation_images) * kept // whole, 1)
    return replace(
        data,
        train_images=data.train_images[:kept],
        train_labels=data.train_labels[:kept],
        validation_images=data.validation_images[:validating],
        validation_labels=data.validation_labels[:validating],
    )


def _kept(data: TrainingData, batch_size: int) -> int:
    return min(len(data.train_images), _MOST_STEPS * batch_size)


def _left_out(data: TrainingData, batch_size: int) -> int:
    """Bytes of the images and labels that a trial has on its GPU and the measurement had not."""
    short = shortened(data, batch_size)
    names = ("train_images", "train_labels", "validation_images", "validation_labels")
    return sum(getattr(data, name).nbytes - getattr(short, name).nbytes for name in names)
