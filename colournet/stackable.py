"""Which configurations can be trained as one stack: those that differ in nothing that shapes a step. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from colournet.config import TrainConfig
from colournet.errors import ConfigError

OWN = (
    "learning_rate",
    "schedule",
    "weight_decay",
    "epochs",
    "seed",
    "flip_horizontal",
    "flip_vertical",
    "shift_horizontal_pixels",
    "shift_vertical_pixels",
)
"""What members of a stack may differ in."""


def shape(config: TrainConfig) -> TrainConfig:
    """What configurations must have in common to be fused: all that is no member's own, which is at its default."""
    return config.replace(**{name: getattr(TrainConfig(), name) for name in OWN})


def check_one_shape(configs: Sequence[TrainConfig]) -> None:
    """Raise `ConfigError`, naming the first difference, for configurations of several shapes, or none at all."""
    if not configs:
        raise ConfigError("there is nothing to train: no configurations were given")
    first = shape(configs[0]).to_mapping()
    for config in configs[1:]:
        other = shape(config).to_mapping()
        for name in sorted({*first, *other}):
            if first.get(name) != other.get(name):
                raise ConfigError(
                    f"cannot be trained as one stack: {name} is {first.get(name)!r} and {other.get(name)!r}",
                    hint=f"members may differ in {', '.join(OWN)}",
                )
