"""What several studies say side by side, in numbers: frame in, frame out, nothing drawn.

A frame of trials here is of one study; `goal` is `minimize` or `maximize`. Only completed trials count for a best or a median.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from study.analysis import summaries
from study.analysis.intervals import LEVEL, Estimate, estimate, holm, p_of_mean

LEAST_PAIRS = 3
"""Of fewer no difference is told that is worth the name."""


def by_asked(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """For n = 1, 2, ... trials `asked`, the `best` value among the first n; NaN before one of them has completed."""
    ordered = trials.sort_values("number")
    values = ordered["value"].where(ordered["state"] == "completed")
    return pd.DataFrame({"asked": ordered["number"] + 1, "best": _running_best(values, goal)}).reset_index(drop=True)


def by_cost(trials: pd.DataFrame, epochs: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """At the end of each trial, in order of time: `worker_seconds` spent in epochs by then, and the `best` value.

    Epochs that a later attempt repeated are counted once. The last row is the whole cost.
    """
    spent = epochs.sort_values("time", kind="stable")
    total = spent["seconds"].fillna(0.0).cumsum().to_numpy()
    ended = trials[trials["ended"].notna()].sort_values(["ended", "number"])
    place = np.searchsorted(spent["time"].to_numpy(), ended["ended"].to_numpy(), side="right")
    costs = np.concatenate([[0.0], total])[place]
    best = _running_best(ended["value"].where(ended["state"] == "completed"), goal)
    table = pd.DataFrame({"worker_seconds": costs, "best": best.to_numpy()})
    if len(total):
        table.loc[len(table)] = [total[-1], table["best"].iloc[-1] if len(table) else math.nan]
    return table


def steps(table: pd.DataFrame) -> pd.DataFrame:
    """Of a curve with `best`, the rows at which that changes, and the last: all that a drawing needs."""
    known = table.dropna(subset=["best"])
    changed = known["best"].ne(known["best"].shift())
    if len(known):
        changed.iloc[-1] = True
    return known[changed].reset_index(drop=True)


def totals(trials: pd.DataFrame, attempts: pd.DataFrame, *, goal: str) -> dict[str, float]:
    """The row of a study in the table: counts by state, its best trial, median and quartiles, and its whole cost.

    NaN for what no completed trial tells. `worker_seconds` has the repeated epochs too.
    """
    counts = trials["state"].value_counts()
    done, first = summaries.completed(trials), summaries.ranked(trials, goal=goal).head(1)
    of_best = {"best": "value", "best_trial": "number", "best_epoch": "best_epoch", "epochs_of_best": "epochs_trained"}
    return {
        "asked": len(trials),
        **{state: int(counts.get(state, 0)) for state in ("completed", "pruned", "failed")},
        **{name: float(first[column].iloc[0]) if len(first) else math.nan for name, column in of_best.items()},
        **{name: _quantile(done["value"], at) for name, at in {"median": 0.5, "q1": 0.25, "q3": 0.75}.items()},
        "least_epochs": _whole(done["epochs_trained"].min()),
        "most_epochs": _whole(done["epochs_trained"].max()),
        "epochs_trained": float(attempts["epochs_trained"].sum() + attempts["epochs_filled_in"].sum()),
        "worker_seconds": float(attempts["seconds"].sum()),
    }


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A study's values less those of the first one."""

    study: str
    found: Estimate
    p: float
    p_corrected: float
    """By Holm over all studies; NaN, as `p`, for fewer than `LEAST_PAIRS`."""

    @property
    def is_clear(self) -> bool:
        """Whether it is more than chance."""
        return self.p_corrected < 1 - LEVEL


def paired(values: Mapping[str, pd.Series[float]]) -> list[Difference]:
    """Each study less the first, over the settings and seeds that both have: values of completed trials by such a key.

    Where a study has a key more than once, their mean counts as one. Studies without a pair are left out.
    """
    means = {study: found.groupby(level=0).mean() for study, found in values.items()}
    reference, *others = means
    pairs = {study: (means[study] - means[reference].reindex(means[study].index)).dropna().tolist() for study in others}
    return _corrected({study: estimate(found) for study, found in pairs.items() if found})


def unpaired(values: Mapping[str, Sequence[float]]) -> list[Difference]:
    """Each study's mean less the first one's, by Welch's t, which holds for random samples alone; two values at least."""
    reference, *others = (study for study, found in values.items())
    found = {study: _welch(values[study], values[reference]) for study in others}
    p = {study: p for study, (_, p) in found.items()}
    return _corrected({study: difference for study, (difference, _) in found.items()}, p)


def _corrected(found: Mapping[str, Estimate], p: Mapping[str, float] | None = None) -> list[Difference]:
    told = [study for study, difference in found.items() if difference.n >= LEAST_PAIRS]
    raw = {study: p_of_mean(found[study]) if p is None else p[study] for study in told}
    after = dict(zip(told, holm(list(raw.values())), strict=True))
    return [
        Difference(study=study, found=difference, p=raw.get(study, math.nan), p_corrected=after.get(study, math.nan))
        for study, difference in found.items()
    ]


def _welch(values: Sequence[float], reference: Sequence[float]) -> tuple[Estimate, float]:
    """The difference of two means, `n` of the smaller sample, and its p; NaN where either has fewer than two values."""
    of, less = estimate(values), estimate(reference)
    n, mean = min(of.n, less.n), of.mean - less.mean
    if n < LEAST_PAIRS:
        return Estimate(n, mean, math.nan, math.nan, math.nan), math.nan
    parts = [of.sd**2 / of.n, less.sd**2 / less.n]
    error = math.sqrt(sum(parts))
    if error == 0:
        return Estimate(n, mean, 0.0, mean, mean), 1.0 if mean == 0 else 0.0
    df = sum(parts) ** 2 / (parts[0] ** 2 / (of.n - 1) + parts[1] ** 2 / (less.n - 1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, df)) * error
    return Estimate(n, mean, error, mean - half, mean + half), float(2 * stats.t.sf(abs(mean) / error, df))


def _running_best(values: pd.Series[float], goal: str) -> pd.Series[float]:
    return (values.cummin() if goal == "minimize" else values.cummax()).ffill()


def _quantile(values: pd.Series[float], at: float) -> float:
    return float(values.quantile(at)) if len(values) else math.nan


def _whole(value: float) -> float:
    return math.nan if pd.isna(value) else float(value)
