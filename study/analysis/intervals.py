"""Means over seeds with their intervals, and how likely a difference is by chance. Numbers in, numbers out.

Everything rests on Student's t: runs that differ in their seed alone are taken to be normally distributed. Where nothing
can be told (one value) the answer is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
"""Of every interval; a p below one minus this is called significant."""


@dataclass(frozen=True)
class Estimate:
    """What `n` values say of the mean that they are drawn around."""

    n: int
    mean: float
    sd: float
    """Standard deviation of the values, n - 1 in the denominator."""
    low: float
    high: float
    """Ends of the 95 % t-interval of the mean."""

    @property
    def half_width(self) -> float:
        """Half the interval's length."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """How far one mean lies above another, of pairs or of two groups."""

    mean: float
    low: float
    high: float
    """Ends of the 95 % interval of the difference."""
    p: float
    """How likely so large a difference is, either way, if there is none; NaN where nothing can be told."""
    n: tuple[int, ...]
    """Number of pairs, or of values in the first and in the second group."""

    @property
    def of_pairs(self) -> bool:
        """Whether pairs were compared, rather than groups."""
        return len(self.n) == 1

    @property
    def is_clear(self) -> bool:
        """Whether it is significant by itself, which is when its interval does not hold zero."""
        return self.p < 1 - LEVEL


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, standard deviation and interval of values; of one value the mean alone, the rest NaN, of none all NaN."""
    found = np.asarray(values, dtype=np.float64)
    n = len(found)
    mean = float(found.mean()) if n else math.nan
    sd = float(found.std(ddof=1)) if n > 1 else math.nan
    half = half_width(n, sd)
    return Estimate(n, mean, sd, mean - half, mean + half)


def half_width(n: int, sd: float) -> float:
    """Half the 95 % t-interval of the mean of `n` values with this standard deviation; NaN for fewer than two."""
    return _quantile(n - 1) * sd / math.sqrt(n) if n > 1 else math.nan


def one_more(seen: Estimate) -> tuple[float, float]:
    """Where one more value of the same kind lies, in 95 of 100 cases: the prediction interval."""
    if seen.n < 2:
        return math.nan, math.nan
    half = _quantile(seen.n - 1) * seen.sd * math.sqrt(1 + 1 / seen.n)
    return seen.mean - half, seen.mean + half


def p_of_mean(seen: Estimate, *, mean: float = 0.0) -> float:
    """How likely a mean so far from `mean` is, either way, if that is the true one: the one-sample t-test."""
    return _two_sided(seen.mean - mean, seen.sd / math.sqrt(max(seen.n, 1)), seen.n)


def p_of_one_more(seen: Estimate, value: float) -> float:
    """How likely one more value as far from the mean as `value` is, either way, if it is of the same kind."""
    return _two_sided(value - seen.mean, seen.sd * math.sqrt(1 + 1 / max(seen.n, 1)), seen.n)


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The first less the second, value by value: the paired t-test. Raises ValueError for lengths that differ."""
    seen = estimate([one - other for one, other in zip(first, second, strict=True)])
    return Difference(seen.mean, seen.low, seen.high, p_of_mean(seen), (seen.n,))


def welch(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The first group's mean less the second's, whose spreads may differ; of groups below two the mean alone, the rest NaN.

    Reference: Welch, The generalization of "Student's" problem when several different population variances are involved,
    1947.
    """
    one, other = estimate(first), estimate(second)
    mean, n = one.mean - other.mean, (one.n, other.n)
    if min(n) < 2:
        return Difference(mean, math.nan, math.nan, math.nan, n)
    parts = [seen.sd**2 / seen.n for seen in (one, other)]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Difference(mean, mean, mean, 1.0 if mean == 0 else 0.0, n)
    df = error**4 / sum(part**2 / (count - 1) for part, count in zip(parts, n, strict=True))
    half = _quantile(df) * error
    return Difference(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, df)), n)


def holm(p: Sequence[float]) -> list[float]:
    """Correct p values so that of all questions together a wrong yes is as rare as it was of one.

    Reference: Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    corrected, largest = [0.0] * len(p), 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=lambda place: p[place])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[place]))
        corrected[place] = largest
    return corrected


def _quantile(df: float) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, df))


def _two_sided(difference: float, error: float, n: int) -> float:
    """The p of a difference in units of its standard error; values that do not vary at all leave no doubt."""
    if n < 2:
        return math.nan
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * stats.t.sf(abs(difference) / error, n - 1))
