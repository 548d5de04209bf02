"""What a run is judged by: a metric, a goal, and a trial's best epoch. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from colournet.errors import ConfigError, did_you_mean

GOALS: Mapping[str, str] = {"val_loss": "minimize", "val_accuracy": "maximize", "val_mse": "minimize"}
"""The metrics that may be an objective, each with the goal that makes sense of it."""


@dataclass(frozen=True)
class Objective:
    """The metric of `EpochMetrics` that decides, and whether small or large is good."""

    metric: str = "val_loss"
    goal: str = "minimize"

    def __post_init__(self) -> None:
        if self.metric not in GOALS:
            raise ConfigError(f"objective: there is no metric {self.metric!r}", hint=did_you_mean(self.metric, GOALS))
        if self.goal != GOALS[self.metric]:
            raise ConfigError(
                f"objective: {self.metric} is to be {GOALS[self.metric]}d, got goal {self.goal!r}",
                hint=f'write objective = {{ metric = "{self.metric}", goal = "{GOALS[self.metric]}" }}',
            )

    def is_better(self, value: float | None, than: float | None) -> bool:
        """Whether `value` beats `than` strictly; a missing or non-finite value never beats, and is always beaten."""
        if value is None or not math.isfinite(value):
            return False
        if than is None or not math.isfinite(than):
            return True
        return value < than if self.goal == "minimize" else value > than

    def best_index(self, values: Sequence[float | None]) -> int:
        """Index of the best of `values`; of equals, and where none is finite, the first. Raises ValueError for none."""
        if not values:
            raise ValueError("no values")
        best = 0
        for index, value in enumerate(values):
            if self.is_better(value, values[best]):
                best = index
        return best
