"""What one choice does to the objective, all else equal: frame in, frame out, nothing drawn.

Two trials that differ in one setting alone, and share their seed, make a pair, and its difference owes nothing to the others.
A grid is made of such pairs. Where a study has too few of them (settings were drawn at random) the difference is that of a
linear model of all settings together, which is told apart: it holds if effects add up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from study.analysis import summaries
from study.analysis.intervals import LEVEL, estimate, holm, p_of_mean

AUGMENTATION = (
    "flip_horizontal",
    "flip_vertical",
    "shift_horizontal_pixels",
    "shift_vertical_pixels",
    "extra_classes",
)
"""The settings that change the training images."""

LEAST_PAIRS = 3
"""Of fewer pairs nothing is told."""

_LEAST_FREEDOM = 5  # degrees of freedom that a linear model must be left with
_MOST_LEVELS = 6  # of a setting, before its number itself enters the model

COLUMNS = {
    "field": "string",
    "level": "object",
    "reference": "object",
    "kind": "string",
    "n": "int64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "p": "float64",
}
"""`kind` is `paired` (n pairs), `adjusted` (n trials, by the linear model) or `unknown`, with NaN for all numbers."""


def effects(trials: pd.DataFrame, fields: Sequence[str], *, searched: Sequence[str]) -> pd.DataFrame:
    """For each level of each field but its reference, the objective with it less the objective without: `COLUMNS`.

    The reference is the level that does nothing (off, 0, no classes), else the first. `low` and `high` are a 95 %
    t-interval, `p` is corrected (Holm) for all rows together. Only completed trials count.
    """
    done = summaries.completed(trials)
    rows = [
        _effect(done, field, level, searched=searched)
        for field in fields
        for level in (summaries.levels_of(trials, field)[1:] if field in trials.columns else [])
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    known = table["p"].notna()
    table.loc[known, "p"] = holm(table.loc[known, "p"].tolist())
    return table


def pairs(done: pd.DataFrame, field: str, level: object, reference: object, *, searched: Sequence[str]) -> pd.DataFrame:
    """Completed trials that differ in `field` alone: `number` and `other` (at the reference), and their `difference`.

    Trials that share all other settings are paired by seed; those that share no seed, in order of their numbers.
    """
    others = [name for name in searched if name != field]
    with_it, without = done[done[field] == level], done[done[field] == reference]
    by_seed = _joined(with_it, without, [*others, "seed"])
    left = with_it[~with_it["number"].isin(by_seed["number"])], without[~without["number"].isin(by_seed["other"])]
    by_order = _joined(*left, others)
    return pd.concat([by_seed, by_order], ignore_index=True)


def _joined(with_it: pd.DataFrame, without: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Pairs of rows with equal keys, the first with the first, the second with the second, and so on."""

    def keyed(frame: pd.DataFrame) -> pd.DataFrame:
        found = frame[["number", "value"]].assign(**{f"key {name}": frame[name].astype("string") for name in keys})
        named = [f"key {name}" for name in keys]
        place = found.groupby(named, dropna=False).cumcount() if named else pd.Series(range(len(found)), found.index)
        return found.assign(place=place)

    named = ["place", *(f"key {name}" for name in keys)]
    joined = keyed(with_it).merge(keyed(without), on=named, suffixes=("", " of reference"))
    joined["difference"] = joined["value"] - joined["value of reference"]
    return joined.rename(columns={"number of reference": "other"})[["number", "other", "difference"]]


def _effect(done: pd.DataFrame, field: str, level: object, *, searched: Sequence[str]) -> list[object]:
    reference = summaries.levels_of(done, field)[0] if len(done) else None
    unknown = [field, level, reference, "unknown", 0, math.nan, math.nan, math.nan, math.nan]
    if reference is None or level == reference:
        return unknown
    found = pairs(done, field, level, reference, searched=searched)
    if len(found) >= LEAST_PAIRS:
        seen = estimate(found["difference"].tolist())
        return [field, level, reference, "paired", seen.n, seen.mean, seen.low, seen.high, p_of_mean(seen)]
    adjusted = _adjusted(done, field, level, searched=searched)
    if adjusted is None:
        return unknown
    difference, error, freedom = adjusted
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    p = float(2 * stats.t.sf(abs(difference) / error, freedom)) if error > 0 else float(difference == 0)
    return [field, level, reference, "adjusted", len(done), difference, difference - half, difference + half, p]


def _adjusted(
    done: pd.DataFrame, field: str, level: object, *, searched: Sequence[str]
) -> tuple[float, float, int] | None:
    """Difference, standard error and degrees of freedom by least squares; None where the trials cannot tell.

    Settings that say the same of each trial, as a dilation does of the model, share what they explain.
    """
    columns = {f"{field} = {level}": _is(done, field, level)}
    for name in searched:
        columns |= _columns(done, name, but=level if name == field else None)
    matrix = np.asarray(np.column_stack([np.ones(len(done)), *columns.values()]), dtype=np.float64)
    target = done["value"].to_numpy(float)
    freedom = len(done) - int(np.linalg.matrix_rank(matrix))
    inverse = np.linalg.pinv(matrix)
    if freedom < _LEAST_FREEDOM or not np.allclose((inverse @ matrix)[1], np.eye(matrix.shape[1])[1], atol=1e-8):
        return None  # too few trials, or the level came with another setting always
    weights = inverse @ target
    variance = float(((target - matrix @ weights) ** 2).sum()) / freedom
    return float(weights[1]), math.sqrt(variance * float((inverse[1] ** 2).sum())), freedom


def _columns(done: pd.DataFrame, name: str, *, but: object) -> dict[str, NDArray[np.float64]]:
    """A setting as columns of a linear model: one a level but the reference, or its standardized (log) number."""
    levels = summaries.levels_of(done, name)
    if len(levels) > _MOST_LEVELS and pd.api.types.is_numeric_dtype(done[name]):
        number = done[name].to_numpy(float)
        number = np.log(number) if number.min() > 0 else number
        return {name: (number - number.mean()) / number.std()}
    return {f"{name} = {level}": _is(done, name, level) for level in levels[1:] if level != but}


def _is(done: pd.DataFrame, name: str, level: object) -> NDArray[np.float64]:
    return np.asarray(done[name] == level, dtype=np.float64)
