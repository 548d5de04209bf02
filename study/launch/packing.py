"""`--gpus-per-trial auto`: how many trials share a GPU, by one measurement before the first trial.

The configuration of the space that asks for most is trained for some steps in a process that has a whole GPU
(`study.launch.occupancy`) and ends afterwards. Trials are processes, which take turns on a GPU: two kernels of different
processes never run at the same time. So as many trials fit as the one trial leaves time for, and memory.

Not measured: this was written where there was no GPU, so whether the rule packs well is not known.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from colournet.config import TrainConfig
from colournet.data import DataBundle
from study.cost import activations, multiply_adds
from study.errors import LaunchError
from study.known_points import Point
from study.launch import errand
from study.launch.occupancy import Occupancy, measure
from study.launch.resources import Resources
from study.parameters import Parameter, Value
from study.space import Space

_MOST_TRIALS = 16
_USABLE_MEMORY = 0.85
"""The rest is a margin: what torch holds in reserve depends on the order of requests, and other trials' contexts vary."""
_STEPS = 10_000  # Ray counts in ten-thousandths
_SECONDS = 300.0
_SAMPLES = 200
_DEMANDING = ("num_filters", "kernel_size", "depth", "residual_blocks", "num_colours", "batch_size")


@dataclass(frozen=True)
class Packed:
    """What a trial takes, and what is to be noted of how that was decided."""

    resources: Resources
    notes: Sequence[str] = ()


class Taken(Protocol):
    """What is asked of a cluster (`study.launch.cluster.Cluster`)."""

    def take(self, resources: Resources) -> None:
        """From now on a trial takes this."""

    def wait_for_room(self, check: Callable[[], None]) -> None:
        """Raise `LaunchError` if not one trial fits, nor does after the time that the user is ready to wait."""


def to_measure(resources: Resources, cluster: Taken, space: Space, *, look: Callable[[], None]) -> Resources:
    """What is to be free for a measurement: a whole GPU; or none, where trials keep to CPUs or no node has one, nor gets one.

    Resources of which nothing is to be measured stay as they are. `look` is called meanwhile and may raise.
    """
    if not resources.is_packed or _keeps_to_cpus(space):
        return resources
    whole = replace(resources, gpus_per_trial=1.0)
    cluster.take(whole)
    try:
        cluster.wait_for_room(look)
    except LaunchError:
        cluster.take(resources)
        return resources
    return whole


def pack(
    resources: Resources,
    cluster: Taken,
    space: Space,
    bundle: DataBundle,
    *,
    tell: Callable[[str], None],
    look: Callable[[], None],
) -> Packed:
    """Decide what a trial takes, unless the user did: by a measurement, if `resources` have a GPU for one.

    `look` is called meanwhile and may raise. Raises `LaunchError` where nothing could be measured.
    """
    if not resources.is_packed:
        return Packed(resources)
    if resources.gpus_per_trial:
        tell("measuring which part of a GPU a trial takes")
        packed = _measured(resources, space, bundle, look=look)
    else:
        packed = _none(resources, space)
    cluster.take(packed.resources)
    for note in packed.notes:
        tell(note)
    return packed


def most_demanding(space: Space) -> list[TrainConfig]:
    """The configurations to measure: that which computes most in a step, and that which keeps most, if it is another.

    Of configurations drawn at random, each with all that costs raised as far as the space goes, but for what a condition names;
    and of the known points. A learning rate or an augmentation costs nothing.
    """
    generator = random.Random(0)
    drawn = [_raised(space, space.sample(generator)) for _ in range(_SAMPLES)]
    configs = drawn + [space.config(space.sample(generator, known=point)) for point in space.enqueue]
    most_work = max(configs, key=lambda config: config.batch_size * multiply_adds(config))
    most_memory = max(configs, key=lambda config: config.batch_size * activations(config))
    return list(dict.fromkeys([most_work, most_memory]))


def trials_on_one(found: Occupancy) -> int:
    """How many trials share a GPU, 1 to 16."""
    by_memory = int(found.total_bytes * _USABLE_MEMORY / max(found.needed_bytes, 1))
    by_time = int(1 / max(found.busy, 1 / _MOST_TRIALS) + 1e-9)
    return max(min(by_memory, by_time, _MOST_TRIALS), 1)


def fraction(count: int) -> float:
    """The part of a GPU that lets so many trials fit: one of so many, rounded down to what Ray counts in."""
    return math.floor(_STEPS / count) / _STEPS


def describe(found: Occupancy, count: int) -> str:
    """What came of a measurement, for the record and for people."""
    part = "a whole GPU" if count == 1 else f"1/{count} of a GPU"
    needed, total = found.needed_bytes / 2**30, found.total_bytes / 2**30
    return (
        f"each trial takes {part}: the most demanding configuration keeps {found.gpu} busy for {found.busy:.0%} of the time "
        f"and needs {needed:.1f} of its {total:.1f} GiB"
    )


def _none(resources: Resources, space: Space) -> Packed:
    """A trial takes no GPU."""
    why = 'the space says device = "cpu"' if _keeps_to_cpus(space) else "no node that trials fit on has a GPU"
    return Packed(replace(resources, is_packed=False), [f"each trial takes CPUs alone: {why}"])


def _measured(resources: Resources, space: Space, bundle: DataBundle, *, look: Callable[[], None]) -> Packed:
    """A trial takes the part of a GPU that it needs."""
    try:
        found = errand.run(measure, most_demanding(space), bundle, taking=resources, seconds=_SECONDS, look=look)
    except errand.FailedError as error:
        raise LaunchError(
            f"which part of a GPU a trial takes could not be measured: {error}",
            hint="name it, as in --gpus-per-trial 0.25",
        ) from error
    count = trials_on_one(found)
    packed = replace(resources, gpus_per_trial=fraction(count), is_packed=False)
    return Packed(packed, [describe(found, count)])


def _keeps_to_cpus(space: Space) -> bool:
    return bool(space.fixed.get("device") == "cpu")


def _raised(space: Space, params: Point) -> TrainConfig:
    """A configuration with all that costs as high as the space goes, unless others depend on it."""
    conditions = {name for parameter in space.search.values() for name in parameter.when}
    raised = {name: _highest(space.search[name]) for name in _DEMANDING if name in params and name not in conditions}
    return space.config({**params, **raised})


def _highest(parameter: Parameter) -> Value:
    return max(parameter.choices) if parameter.kind == "choice" else parameter.highest
