"""`ClassifierConfig`: what decides one training of the classifier that colourings are measured by. Standard library only."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colournet.config import TrainConfig, check_value
from colournet.errors import ConfigError, did_you_mean


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """One training of the classifier. Raises `ConfigError` for a value out of range."""

    dataset: str = "cifar10"
    """Where its images come from, all ten classes of them: `cifar10`, or `scenes` (drawn in memory, no download)."""

    epochs: int = 8
    """Passes over the training images."""

    seed: int = 0
    """Seed of the initial weights, the shuffling and the augmentation."""

    data_seed: int = 0
    """Seed of the split and of the drawn scenes: that of the runs to be measured, whose validation images it must not see."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:N`, or `auto`: a GPU where there is one."""

    num_threads: int = 1
    """CPU threads of the training step; the same count gives the same bits."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, check_value(field.name, getattr(self, field.name)))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> ClassifierConfig:
        """Make a config from names and values. Raises `ConfigError` for an unknown name or a wrong value."""
        known = [field.name for field in dataclasses.fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigError(f"unknown setting {name!r}", hint=did_you_mean(name, known))
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """The fields by name, JSON- and TOML-ready."""
        return dataclasses.asdict(self)

    def to_toml(self) -> str:
        """The fields as the text of a TOML file."""
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in self.to_mapping().items())

    @property
    def recipe(self) -> TrainConfig:
        """Split, augmentation, optimizer and schedule in the words of a colourizer's training, which shares all of them."""
        return TrainConfig(
            **self.to_mapping(),
            optimizer="adamw",
            learning_rate=1e-2,
            schedule="one_cycle",
            weight_decay=0.05,
            label_smoothing=0.1,
            flip_horizontal=True,
            shift_horizontal_pixels=2,
            shift_vertical_pixels=2,
        )
