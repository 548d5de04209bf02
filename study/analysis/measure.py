"""The study's objective as figures and sentences need it: its name, its unit, and the floor that belongs to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.store import StudyFolder

_CROSS_ENTROPY = "validation loss (cross-entropy, nats per pixel)"
_SQUARED_ERRORS: Mapping[str, str] = {
    "rgb": "validation loss (squared error)",
    "lab": "validation loss (squared error of chroma)",
}
_LABELS: Mapping[str, str] = {
    "val_loss": _CROSS_ENTROPY,
    "val_accuracy": "validation accuracy (%)",
    "val_mse": "validation squared error",
}
_NAMES: Mapping[str, str] = {
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "val_mse": "validation squared error",
}


NOTHING = "—"
"""Stands where there is no value."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What the trials of a study are judged by."""

    metric: str
    """Column of the frames: `val_loss`, `val_accuracy` (a fraction) or `val_mse`."""
    goal: str
    """`minimize` or `maximize`."""
    label: str
    """For an axis, with the unit."""
    name: str
    """For a sentence."""
    floors: Mapping[str, float]
    """The grey table's score in the metric's own unit, by palette (`24`, `24-lab`); empty where none belongs to it."""

    @classmethod
    def of(cls, folder: StudyFolder) -> Measure:
        """The measure of a study, from its manifest."""
        objective = folder.manifest["objective"]
        metric = str(objective["metric"])
        is_squared = metric == "val_loss" and folder.space.taken("model") == ["regression_cnn"]
        return cls(
            metric=metric,
            goal=str(objective["goal"]),
            label=_SQUARED_ERRORS[folder.space.taken("colour_space")[0]] if is_squared else _LABELS[metric],
            name=_NAMES[metric],
            floors=folder.grey_table(),
        )

    @property
    def floor(self) -> float | None:
        """The grey table's score, if all trials share one palette."""
        return next(iter(self.floors.values())) if len(self.floors) == 1 else None

    @property
    def factor(self) -> float:
        """What a value is multiplied by to be shown: 100 for a fraction shown in per cent, else 1."""
        return 100.0 if self.metric == "val_accuracy" else 1.0

    @property
    def is_minimized(self) -> bool:
        """Whether small is good."""
        return self.goal == "minimize"

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` beats `than` strictly; a NaN never does."""
        return value < than if self.is_minimized else value > than

    def text(self, value: float) -> str:
        """A value as a person writes it: four digits of a loss, `33.5 %` of an accuracy."""
        return score_text(self.metric, value)

    def with_spread(self, mean: float, std: float) -> str:
        """A mean with its standard deviation to the same digits: `1.882 ± 0.037`; the mean alone where that is NaN."""
        if math.isnan(std):
            return self.text(mean)
        if self.metric == "val_accuracy":
            return f"{100 * mean:.1f} ± {100 * std:.1f} %"
        shown = f"{mean:#.4g}" if abs(mean) < 1 else f"{mean:.3f}"  # zeros at the end are digits of the spread too
        return f"{shown} ± {std:.{len(shown.partition('.')[2])}f}"

    def difference(self, value: float) -> str:
        """A difference of two values, without its sign."""
        if self.metric == "val_accuracy":
            return f"{100 * abs(value):.1f} percentage points"
        return f"{abs(value):.3g}"

    def signed(self, value: float) -> str:
        """A difference of two values with its sign, in percentage points where values are shown in per cent: `+0.012`."""
        return f"{100 * value:+.2f}" if self.metric == "val_accuracy" else f"{value:+.3g}"

    def interval(self, low: float, high: float) -> str:
        """The ends of an interval of differences, with their signs, to the same digits: `-0.02 to 0.14`; none becomes zero."""
        ends = (low * self.factor, high * self.factor)
        unit = " percentage points" if self.factor != 1 else ""
        quarter = (ends[1] - ends[0]) / 4 or abs(ends[1]) / 100 or 1.0
        digits = min(max(-math.floor(math.log10(quarter)), 0), 9)
        while digits < 9 and any(end and not round(end, digits) for end in ends):
            digits += 1
        return f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}{unit}"


def floors(folder: StudyFolder) -> dict[str, dict[str, Any]]:
    """The scores that need no network, by palette, as the manifest holds them."""
    return {name: dict(scores) for name, scores in folder.manifest.get("floors", {}).items()}


def score_text(metric: str, value: float | None) -> str:
    """One score as a person writes it: `1.858`, `33.5 %`, `0.01571`; a dash for none."""
    if value is None or math.isnan(value):
        return NOTHING
    if metric == "val_accuracy":
        return f"{100 * value:.1f} %"
    return f"{value:.4g}" if abs(value) < 1 else f"{value:.3f}"
