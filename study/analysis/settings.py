"""The searched settings as numbers, which is how forests, densities and axes want them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from study.parameters import Parameter, Value
from study.space import Space
from study.text import format_value

FloatArray = NDArray[np.float64]

_MOST_LEVELS = 10


@dataclass(frozen=True)
class Setting:
    """One hyperparameter that a space searches among two values or more.

    Its code is the value itself where it has a range, and else the place of the choice: numbers in order, words as they
    stand in the space. NaN is the code of a setting that does not exist in a trial, since its condition is not met.
    """

    parameter: Parameter

    @property
    def name(self) -> str:
        """The field of `TrainConfig`."""
        return self.parameter.name

    @property
    def label(self) -> str:
        """For an axis or a sentence."""
        return self.name.replace("_", " ")

    @property
    def has_range(self) -> bool:
        """Whether it lies between bounds, and is not one of a few choices."""
        return self.parameter.kind != "choice"

    @property
    def is_ordered(self) -> bool:
        """Whether larger codes mean more of something."""
        return self.has_range or all(isinstance(choice, int | float) for choice in self.parameter.choices)

    @property
    def is_coarse(self) -> bool:
        """Whether it has so few values that many trials share one."""
        return not self.has_range or 0 < len(self.parameter.values) <= _MOST_LEVELS

    @property
    def choices(self) -> list[Value]:
        """The choices in the order of their codes; none for a range."""
        found = list(self.parameter.choices)
        return sorted(found) if found and self.is_ordered else found

    @property
    def labels(self) -> list[str]:
        """The choices in words."""
        return [format_value(choice) for choice in self.choices]

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest code."""
        if self.has_range:
            return float(self.parameter.low), float(self.parameter.highest)
        return 0.0, len(self.choices) - 1.0

    def code(self, value: Value | None) -> float:
        """The code of a value; NaN for None and for what the space does not know."""
        if value is None or self.has_range:
            return math.nan if value is None else float(value)
        choices = self.choices
        return float(choices.index(value)) if value in choices else math.nan

    def text(self, code: float) -> str:
        """A code as a person writes the value."""
        return f"{code:.3g}" if self.has_range else self.labels[round(code)]

    def share(self, codes: Any) -> FloatArray:
        """How far from its lowest to its highest value codes are, from 0 to 1, in the logarithm where the space says so."""
        found = np.asarray(codes, dtype=np.float64)
        low, high = self.ends
        if self.parameter.log:
            found, low, high = np.log(found), math.log(low), math.log(high)
        return np.asarray((found - low) / (high - low), dtype=np.float64)

    def at(self, share: float) -> Value:
        """The value so far from the lowest to the highest, of a range: the inverse of `share`, to the next value there is."""
        parameter, (low, high) = self.parameter, self.ends
        value = low * (high / low) ** share if parameter.log else low + share * (high - low)
        if parameter.step:
            value = low + parameter.step * round((value - low) / parameter.step)
        return round(value) if parameter.kind == "int" else value

    @property
    def levels(self) -> list[Value]:
        """All values, each as likely as the next where drawn at random; of many, ten that stand for equal parts of them."""
        if not self.has_range or (self.is_coarse and not self.parameter.log):
            return self.parameter.values
        return [self.at((place + 0.5) / _MOST_LEVELS) for place in range(_MOST_LEVELS)]


def searched(space: Space) -> list[Setting]:
    """The settings that a space leaves open, in its order."""
    found = [Setting(parameter) for parameter in space.search.values()]
    return [setting for setting in found if setting.ends[0] < setting.ends[1]]


def codes(points: Mapping[int, Mapping[str, Value]], settings: Iterable[Setting]) -> pd.DataFrame:
    """One row a point, by the number of its trial; a column of codes for each setting."""
    return pd.DataFrame(
        {setting.name: [setting.code(point.get(setting.name)) for point in points.values()] for setting in settings},
        index=pd.Index(list(points), name="number", dtype="int64"),
        dtype="float64",
    )


def features(table: pd.DataFrame, settings: Sequence[Setting]) -> tuple[FloatArray, list[slice]]:
    """Codes for a forest, and which columns are whose: words get a column each, since they have no order.

    A setting that does not exist has a value of its own, below all others.
    """
    columns: list[FloatArray] = []
    places: list[slice] = []
    for setting in settings:
        found = table[setting.name].to_numpy()
        low, high = setting.ends
        if setting.is_ordered:
            made = [np.where(np.isnan(found), low - (high - low), found)]
        else:
            made = [(found == place).astype(np.float64) for place in range(len(setting.choices))]
        places.append(slice(len(columns), len(columns) + len(made)))
        columns += made
    return np.column_stack(columns) if columns else np.empty((len(table), 0)), places
