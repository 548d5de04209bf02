"""Measures of a colouring, and the numbers that one epoch yields.

Colours are the assignment's: an 8-bit value divided by 256, so in [0, 1).
"""

from __future__ import annotations

import dataclasses
import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """What one epoch of training measured."""

    epoch: int
    """Number of the epoch, from 1."""

    train_loss: float
    """Mean loss over the training images while the epoch went on (weights changing, augmentation on)."""

    val_loss: float
    """Mean loss over the validation images after the epoch: cross-entropy in nats a pixel, or the answer's squared error."""

    val_accuracy: float
    """Fraction of validation pixels given their palette colour, in [0, 1]; a regression is read by the nearest colour."""

    val_mse: float
    """Mean squared error of the decoded validation images over pixels and channels, RGB in [0, 1)."""

    seconds: float
    """Wall-clock seconds of the epoch, training and validation."""

    images_per_second: float
    """Training images a second, validation not counted."""

    @property
    def is_finite(self) -> bool:
        """Whether the losses are numbers that training can go on from."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)

    def to_mapping(self) -> dict[str, Any]:
        """The fields by name, JSON-ready: a value that is not finite becomes None."""
        return {name: json_number(value) for name, value in dataclasses.asdict(self).items()}

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> EpochMetrics:
        """The inverse of `to_mapping`, None read as NaN. Raises KeyError, TypeError or OverflowError for anything else."""
        names = [field.name for field in dataclasses.fields(cls) if field.name != "epoch"]
        return cls(epoch=operator.index(values["epoch"]), **{name: _number(values[name]) for name in names})


def psnr_db(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error over colours in [0, 1), peak 1; infinite for no error."""
    return math.inf if mse == 0 else -10 * math.log10(mse)


def json_number(value: float) -> float | None:
    """`value`, or None where it is not finite: JSON knows neither NaN nor infinity."""
    return value if math.isfinite(value) else None


def _number(value: Any) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"not a number: {value!r}")
    return float(value)
