"""Which stretch of an axis is readable, and what is left outside it. Computes, draws nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_MARGIN = 0.06
_LOG_RATIO = 8.0
_FLOOR_REACH = 0.6
_LEAST_REACH = 0.25
_LEAST_CORE = 4


@dataclass(frozen=True)
class Range:
    """The ends of an axis."""

    low: float
    high: float
    log: bool
    floor_shown: bool
    """Whether the floor lies between the ends; False also where there is no floor."""

    def cut(self, values: Iterable[float]) -> int:
        """How many finite values lie outside."""
        return sum(math.isfinite(value) and not self.low <= value <= self.high for value in values)


def readable(values: Iterable[float], *, goal: str, floor: float | None, core: Iterable[float] = ()) -> Range:
    """Choose an axis for objective values as shown; NaN among them are ignored.

    Bad values far from the rest are left out. How far is too far is told by `core`, the values of most interest, where
    there are four of them or more, and else by all; of all, only large losses are ever left out. The axis is logarithmic
    where the rest spans more than a factor of 8, and extended to the floor where that is near.
    """
    found, inner = _finite(values), _finite(core)
    if not len(found):
        middle = 1.0 if floor is None else floor
        return Range(0.5 * middle, 1.5 * middle, log=False, floor_shown=floor is not None)
    has_core = len(inner) >= _LEAST_CORE
    reach = 2.0 if has_core else 1.0
    if goal == "minimize" and found[0] > 0:
        fence = _upper_fence(inner if has_core else found, reach)
        kept = found[found <= max(fence, found[0])]
        return _padded(kept[0], kept[-1], floor, log=bool(kept[-1] / kept[0] > _LOG_RATIO))
    if goal == "maximize" and has_core:
        first = float(np.quantile(inner, 0.25))
        found = found[found >= first - reach * (inner[-1] - first)]
    return _padded(found[0], found[-1], floor, log=False)


def _upper_fence(found: FloatArray, reach: float) -> float:
    """Beyond the third quartile by `reach` times its distance from the least, in the logarithm."""
    low, third = math.log(found[0]), math.log(np.quantile(found, 0.75))
    return math.exp(third + max(reach * (third - low), _LEAST_REACH))


def _finite(values: Iterable[float]) -> FloatArray:
    return np.sort(np.array([value for value in values if math.isfinite(value)], dtype=np.float64))


def _padded(low: float, high: float, floor: float | None, *, log: bool) -> Range:
    """Widen by a margin, and to the floor if that costs less than the reach allows."""
    low, high = float(low), float(high)
    if log:
        inner = _padded(math.log(low), math.log(high), None if floor is None else math.log(floor), log=False)
        return Range(math.exp(inner.low), math.exp(inner.high), log=True, floor_shown=inner.floor_shown)
    if low == high:
        half = 0.1 * abs(high) or 1.0
        low, high = low - half, high + half
    span = high - low
    shown = floor is not None and low - _FLOOR_REACH * span <= floor <= high + _FLOOR_REACH * span
    if floor is not None and shown:
        low, high = min(low, floor), max(high, floor)
    margin = _MARGIN * (high - low)
    return Range(low - margin, high + margin, log=False, floor_shown=shown)
