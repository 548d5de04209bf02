"""What matters: the importance of each searched setting by two methods, how sure it is, and what chance alone would give."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis import fanova, ped_anova
from study.analysis.fidelity import LEAST, Compared
from study.analysis.settings import FloatArray, Setting, features
from study.space import Space

MOST_TRIALS = 400
METHODS = ("fanova", "ped_anova")

_SEED = 0
_RESAMPLES = 40
_SHUFFLES = 19
"""By chance the largest of so many is exceeded once in twenty times."""
_CHEAP = 3
"""PED-ANOVA can do so many times more of both."""
_TREES = 8
_COLUMNS = ("method", "name", "share", "low", "high", "chance", "matters")


@dataclass(frozen=True)
class Importance:
    """How much each setting matters for what."""

    compared: Compared
    used: int
    """How many of the compared trials were looked at: all, or `MOST_TRIALS` drawn at random; 0 where they are too few."""
    table: pd.DataFrame
    """A row a method and setting: `share` of the whole, `low` and `high` of its 95 % interval (bootstrap over trials), `chance`,
    the share that it reaches with its values dealt out at random, and whether it `matters`: the interval lies above that."""
    together: tuple[float, float, float]
    """By fANOVA, the share that no setting explains alone, with its interval; NaN where nothing is told."""

    def of(self, method: str) -> pd.DataFrame:
        """One method's rows, the most important setting first."""
        rows = self.table[self.table["method"] == method]
        return rows.sort_values(["share", "name"], ascending=[False, True], ignore_index=True)

    @property
    def order(self) -> list[str]:
        """The settings' names from the most to the least important by fANOVA; none where nothing is told."""
        return [str(name) for name in self.of("fanova")["name"]]


def importance(
    table: pd.DataFrame,
    compared: Compared,
    space: Space,
    settings: Sequence[Setting],
    *,
    goal: str,
    resamples: int = _RESAMPLES,
    shuffles: int = _SHUFFLES,
) -> Importance:
    """The importance of settings whose codes are in `table`, for the values compared; the same trials, the same answer.

    Nothing is told of fewer than eight trials, or of values that are all the same.
    """
    values = compared.tamed(goal) * (1 if goal == "minimize" else -1)
    generator = np.random.default_rng(_SEED)
    if len(values) > MOST_TRIALS:
        values = values.iloc[np.sort(generator.choice(len(values), MOST_TRIALS, replace=False))]
    nothing = (np.nan, np.nan, np.nan)
    if len(values) < LEAST or values.nunique() < 2 or not settings:
        return Importance(compared, 0, pd.DataFrame(columns=list(_COLUMNS)), nothing)
    looked_at: FloatArray = np.asarray(values, dtype=np.float64)
    sample = _Sample(table.loc[values.index].reset_index(drop=True), looked_at, settings, generator)
    forests = _fanova(sample, space, resamples, shuffles)
    densities = _ped_anova(sample, _CHEAP * resamples, _CHEAP * shuffles)
    rows = [*_rows("fanova", settings, *forests), *_rows("ped_anova", settings, *densities)]
    rest = 1 - forests[0].sum(axis=1)
    interval = np.clip([rest.mean(), *np.quantile(rest, [0.025, 0.975])], 0, 1)
    told = pd.DataFrame(rows, columns=list(_COLUMNS))
    return Importance(compared, len(values), told, (float(interval[0]), float(interval[1]), float(interval[2])))


@dataclass(frozen=True)
class _Sample:
    """Trials that are drawn from again and again; low values are good."""

    table: pd.DataFrame
    values: FloatArray
    settings: Sequence[Setting]
    generator: np.random.Generator

    def again(self) -> np.ndarray:
        """As many trials, drawn with replacement, at least two different values among them."""
        size = len(self.values)
        while True:
            drawn = self.generator.integers(0, size, size)
            if np.ptp(self.values[drawn]) > 0:
                return drawn

    def shuffled(self, name: str) -> pd.DataFrame:
        """The trials, one setting of which tells nothing."""
        return fanova.shuffled(self.table, name, generator=self.generator)


def _fanova(sample: _Sample, space: Space, resamples: int, shuffles: int) -> tuple[FloatArray, FloatArray]:
    """Shares of each resample and setting, and of each shuffle and setting.

    Shuffled trials are not drawn anew: the spread that this adds stands in the interval already.
    """
    background = fanova.Background.draw(space, sample.settings, generator=random.Random(_SEED))

    def forest(table: pd.DataFrame, drawn: np.ndarray, seed: int) -> fanova.Variances:
        found, _ = features(table.iloc[drawn], sample.settings)
        return fanova.variances(found, sample.values[drawn], background, trees=_TREES, seed=seed)

    real = [forest(sample.table, sample.again(), seed) for seed in range(resamples)]
    every = np.arange(len(sample.values))
    total = float(np.mean([one.total for one in real])) or 1.0
    chance = np.array(
        [
            [forest(sample.shuffled(setting.name), every, seed).alone[place] for seed in range(shuffles)]
            for place, setting in enumerate(sample.settings)
        ]
    )
    return np.array([one.shares for one in real]), chance.T / total


def _ped_anova(sample: _Sample, resamples: int, shuffles: int) -> tuple[FloatArray, FloatArray]:
    """Likewise, as shares of the sum over all settings."""

    def divergences(table: pd.DataFrame, settings: Sequence[Setting]) -> FloatArray:
        drawn = sample.again()
        values = sample.values[drawn]
        worst = np.sort(values)[ped_anova.top_count(len(values)) - 1]
        found = table.iloc[drawn]
        return np.array([ped_anova.divergence(found[one.name].to_numpy(), values <= worst, one) for one in settings])

    real = np.array([divergences(sample.table, sample.settings) for _ in range(resamples)])
    sums = real.sum(axis=1, keepdims=True)
    shares = np.divide(real, sums, out=np.zeros_like(real), where=sums > 0)
    chance = np.array(
        [
            [divergences(sample.shuffled(setting.name), [setting])[0] for _ in range(shuffles)]
            for setting in sample.settings
        ]
    )
    return shares, chance.T / (float(sums.mean()) or 1.0)


def _rows(method: str, settings: Sequence[Setting], shares: FloatArray, chance: FloatArray) -> list[tuple[object, ...]]:
    low, high = np.quantile(shares, [0.025, 0.975], axis=0)
    worst = np.quantile(chance, 0.95, axis=0, method="higher")
    return [
        (method, one.name, mean, low[place], high[place], worst[place], bool(low[place] > worst[place]))
        for place, (one, mean) in enumerate(zip(settings, shares.mean(axis=0).tolist(), strict=True))
    ]
