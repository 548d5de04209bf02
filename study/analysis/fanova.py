"""fANOVA: how much of the variance of the objective over the search space each setting explains alone.

A random forest learns the objective from the trials; its mean over the rest of the space, as one setting goes through its values,
is that setting's effect. Reference: Hutter, Hoos and Leyton-Brown, An efficient approach for assessing hyperparameter
importance, 2014. There the mean is exact, in a box; here it is taken over configurations drawn from the space, whose
conditions it so respects.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis.settings import FloatArray, Setting, codes, features
from study.space import Space

_DRAWN = 1024
_BESIDE = 128
"""Configurations of the rest of the space that each value of a setting is seen with."""


@dataclass(frozen=True)
class Effect:
    """Where in the background the points are that tell one setting's effect: each of its levels beside the same rows."""

    start: int
    levels: int
    rows: int
    active: float
    """Share of the space in which the setting exists; its effect counts there alone, and its parent's has the rest."""

    def variance(self, predicted: FloatArray) -> float:
        """Of the objective's mean at each level, weighted by where the setting exists."""
        if not self.rows:
            return 0.0
        block = predicted[self.start : self.start + self.levels * self.rows]
        return self.active * float(block.reshape(self.levels, self.rows).mean(axis=1).var())


@dataclass(frozen=True)
class Background:
    """Points of the search space at which a forest is asked."""

    features: FloatArray
    drawn: int
    """The first so many are drawn at random; the effects' points follow."""
    effects: Sequence[Effect]

    @classmethod
    def draw(cls, space: Space, settings: Sequence[Setting], *, generator: random.Random) -> Background:
        """Draw from the space. A setting is varied with all others held, but for those whose condition it decides."""
        base = [space.sample(generator) for _ in range(_DRAWN)]
        points, effects = list(base), []
        for setting in settings:
            having = [row for row in base if setting.name in row]
            rows, levels = having[:_BESIDE], setting.levels
            effects.append(Effect(len(points), len(levels), len(rows), len(having) / len(base)))
            points += [space.sample(generator, known={**row, setting.name: level}) for level in levels for row in rows]
        table = codes(dict(enumerate(points)), settings)
        return cls(features(table, settings)[0], len(base), effects)


@dataclass(frozen=True)
class Variances:
    """What one forest says, in units of the objective squared."""

    total: float
    alone: FloatArray
    """Of each setting."""

    @property
    def shares(self) -> FloatArray:
        """Of the total, of each setting; nothing where the forest says the same everywhere."""
        return self.alone / self.total if self.total > 0 else np.zeros_like(self.alone)


def variances(table: FloatArray, values: FloatArray, background: Background, *, trees: int, seed: int) -> Variances:
    """Fit a forest to `values` at the rows of `table`, and take it apart."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=trees, random_state=seed).fit(table, values)
    asked = background.features.astype(np.float32)
    predicted = np.mean([tree.tree_.predict(asked)[:, 0] for tree in forest.estimators_], axis=0)
    alone = np.array([effect.variance(predicted) for effect in background.effects])
    return Variances(float(predicted[: background.drawn].var()), alone)


def shuffled(table: pd.DataFrame, name: str, *, generator: np.random.Generator) -> pd.DataFrame:
    """The table with one setting's values dealt anew among the trials that have it, so that they tell nothing."""
    found = table[name].to_numpy(copy=True)
    having = np.flatnonzero(~np.isnan(found))
    found[having] = found[generator.permutation(having)]
    return table.assign(**{name: found})
