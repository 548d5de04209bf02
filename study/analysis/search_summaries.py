"""What the search shows in numbers: medians along a setting, maps over two, what the best share, and how likely a value is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from study.analysis import intervals, summaries
from study.analysis.settings import FloatArray, Setting

LEAST = 8
"""Of fewer completed trials nothing is generalized."""

_BANDWIDTH = 0.06
_GRID = 60
_REACH = 0.3
"""A map ends where the trials nearby weigh less than so much of one that lies right there."""
_LEAST_IN_BIN = 5


def by_bin(codes: pd.Series[float], values: pd.Series[float], setting: Setting, *, bins: int = 20) -> pd.DataFrame:
    """Median, q1 and q3 of the values in bins of about equal size along a range, or at each of a few values.

    `place` is the median code of the bin; bins of fewer than five values are left out.
    """
    known = pd.DataFrame({"code": codes, "value": values}).dropna()
    groups = known["code"] if setting.is_coarse else pd.qcut(known["code"], bins, labels=False, duplicates="drop")
    grouped = known.groupby(groups.rename("group"))
    value = grouped["value"]
    table = pd.DataFrame(
        {
            "place": grouped["code"].median(),
            "n": grouped.size(),
            "q1": value.quantile(0.25),
            "median": value.median(),
            "q3": value.quantile(0.75),
        }
    )
    return table[table["n"] >= _LEAST_IN_BIN].reset_index(drop=True)


def surface(
    codes: pd.DataFrame, values: pd.Series[float], across: Setting, up: Setting, *, least: float = _REACH
) -> FloatArray:
    """The values' mean near each place of a grid over two settings, rows going up; NaN where trials weigh less than `least`.

    Along a range trials count by a normal density of the distance, along choices only those of that very choice.
    """
    horizontal, vertical = _weights(codes[across.name], across), _weights(codes[up.name], up)
    weight = vertical @ horizontal.T
    total = (vertical * values.to_numpy()) @ horizontal.T
    found: FloatArray = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight >= least)
    return found


def grid(setting: Setting) -> FloatArray:
    """The places of `surface` along a setting: shares of its range, or the codes of its choices."""
    return (np.arange(_GRID) + 0.5) / _GRID if setting.has_range else np.arange(len(setting.choices), dtype=np.float64)


def _weights(codes: pd.Series[float], setting: Setting) -> FloatArray:
    """How much each trial (a column) counts at each place (a row), at most 1."""
    found, places = codes.to_numpy(), grid(setting)[:, None]
    if not setting.has_range:
        return np.asarray(found[None, :] == places, dtype=np.float64)
    distances = (setting.share(found)[None, :] - places) / _BANDWIDTH
    weights: FloatArray = np.exp(-0.5 * distances**2)
    return weights


def best_rows(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """The best tenth of the completed trials, but from three to ten."""
    ranked = summaries.ranked(trials, goal=goal)
    return ranked.head(min(10, max(3, math.ceil(len(ranked) / 10))))


def spans(codes: pd.DataFrame, chosen: Sequence[int], settings: Sequence[Setting]) -> pd.DataFrame:
    """For each setting that all chosen trials have: the least part of it, `low` to `high`, that holds all of them.

    `part` is the share of all trials (rows of `codes`) that lie there too, and `p`, corrected for the number of settings, how
    likely as many trials drawn at random lie as close. Words lie close only where they are the same.
    """
    rows = []
    for setting in settings:
        inside, every = codes.loc[list(chosen), setting.name], codes[setting.name]
        if inside.isna().any() or inside.empty or (not setting.is_ordered and inside.nunique() > 1):
            continue
        low, high = float(inside.min()), float(inside.max())
        part = float(every.between(low, high).mean())
        rows.append((setting.name, low, high, part, _as_close(every, part, len(inside), alike=low == high)))
    table = pd.DataFrame(rows, columns=["name", "low", "high", "part", "p"])
    corrected = intervals.holm([*table["p"], *[1.0] * (len(settings) - len(table))])[: len(table)]
    return table.assign(p=corrected).sort_values(["p", "part"], kind="stable", ignore_index=True)


def _as_close(every: pd.Series[float], part: float, count: int, *, alike: bool) -> float:
    """How likely `count` trials have the same value, or all lie within some stretch that holds so large a part of all."""
    if alike:
        return float((every.value_counts(normalize=True) ** count).sum())
    return min(1.0, count * part ** (count - 1) - (count - 1) * part**count)


def distribution(values: pd.Series[float], *, of: int | None = None) -> pd.DataFrame:
    """The share of trials that are at least so good as each value, the values going up to the worst; low ones are good.

    `of` counts further trials that never got so far.
    """
    found = np.sort(values.to_numpy(dtype=np.float64))
    n = len(found) if of is None else of
    return pd.DataFrame({"value": found, "share": np.arange(1, len(found) + 1) / max(n, 1)})


def proportion(count: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share that is `count` of `n`, by Wilson; all of it for no trial.

    Reference: Wilson, Probable inference, the law of succession, and statistical inference, 1927.
    """
    if n == 0:
        return 0.0, 1.0
    z = 1.959964
    middle = (count + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(count * (n - count) / n + z * z / 4)
    return max(0.0, middle - half), min(1.0, middle + half)
