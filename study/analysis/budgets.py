"""What a larger budget of epochs bought: budgets compared by measurement, and the curves of their trials. Draws nothing.

Only completed trials count; a pruned one saw fewer epochs than it asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis import intervals, summaries
from study.analysis.columns import TRIALS
from study.analysis.intervals import Difference

LEAST = 3
"""Groups of fewer trials, or fewer pairs, are told and not compared."""

_PAIRED_SHARE = 0.5
"""Pairs are compared where they hold at least so much of the smaller group."""


@dataclass(frozen=True)
class Budget:
    """Trials of one budget, or of neighbouring ones."""

    low: int
    """Fewest epochs that one of them trained, as `high` is the most."""
    high: int
    trials: pd.DataFrame

    @property
    def length(self) -> str:
        """Its epochs as a person writes them: `12`, or `4 to 7`."""
        return f"{self.low}" if self.low == self.high else f"{self.low} to {self.high}"


def groups(trials: pd.DataFrame, *, goal: str) -> list[Budget]:
    """The completed trials by budget, the shortest first, grouped as `summaries.by_budget` groups them."""
    done = summaries.completed(trials)
    found = []
    for row in summaries.by_budget(trials, goal=goal).to_dict("records"):
        low, high = int(row["low"]), int(row["high"])
        found.append(Budget(low, high, done[done["epochs_trained"].between(low, high)]))
    return found


def compare(short: Budget, long: Budget) -> Difference | None:
    """The mean value of `short` less that of `long`; None where either has too few trials.

    By pairs where the configurations of both match in all but epochs: one and the same seed where there are such, else the
    mean over seeds. Which of them is compared never depends on a value. Else by group, whose trials differ in other ways too.
    """
    if min(len(short.trials), len(long.trials)) < LEAST:
        return None
    settings = _settings(short.trials)
    for keys in ([*settings, "seed"], settings):
        pairs, share = _pairs(short.trials, long.trials, keys)
        if len(pairs) >= LEAST and share >= _PAIRED_SHARE:
            return intervals.paired(pairs["short"].tolist(), pairs["long"].tolist())
    return intervals.welch(short.trials["value"].tolist(), long.trials["value"].tolist())


def differ_otherwise(short: Budget, long: Budget) -> bool:
    """Whether the trials of two budgets differ in more than epochs and seed."""
    both = pd.concat([short.trials, long.trials])
    return any(both[name].nunique(dropna=False) > 1 for name in _settings(both))


def bands(epochs: pd.DataFrame, numbers: Sequence[int], *, metric: str, last: int) -> pd.DataFrame:
    """Of the trials called `numbers`, for each epoch up to `last`: n, mean, and the ends of its 95 % t-interval.

    The interval is NaN for fewer than `LEAST` trials. An epoch without a value is left out.
    """
    shown = epochs[epochs["number"].isin(numbers) & (epochs["epoch"] <= last)].dropna(subset=[metric])
    table = shown.groupby("epoch")[metric].agg(n="size", mean="mean", sd="std").reset_index()
    half = [
        intervals.half_width(n, sd) if n >= LEAST else np.nan for n, sd in zip(table["n"], table["sd"], strict=True)
    ]
    return table.assign(low=table["mean"] - half, high=table["mean"] + half).drop(columns="sd")


def last_stretch(
    epochs: pd.DataFrame, numbers: Sequence[int], *, metric: str, last: int
) -> tuple[int, Difference | None]:
    """What the last quarter of `last` epochs changed: the epoch before it, and the value there less that at the end, paired."""
    before = last - max(last // 4, 1)
    shown = epochs[epochs["number"].isin(numbers)].pivot(index="number", columns="epoch", values=metric)
    if before < 1 or not {before, last} <= set(shown.columns):
        return before, None
    both = shown[[before, last]].dropna()
    return before, intervals.paired(both[before].tolist(), both[last].tolist()) if len(both) >= LEAST else None


def _settings(trials: pd.DataFrame) -> list[str]:
    """The columns of the configuration, but for epochs."""
    return [str(name) for name in trials.columns if name not in TRIALS and name != "epochs"]


def _pairs(short: pd.DataFrame, long: pd.DataFrame, keys: list[str]) -> tuple[pd.DataFrame, float]:
    """Mean values, `short` and `long`, of what agrees in `keys`; and which share of the group with fewer such it is."""
    means = [trials.groupby(_keys(trials, keys))["value"].mean() for trials in (short, long)]
    pairs = pd.concat(means, axis=1, keys=["short", "long"], join="inner")
    return pairs, len(pairs) / min(len(found) for found in means)


def _keys(trials: pd.DataFrame, names: list[str]) -> pd.Series[str]:
    """The named columns of each trial in one text."""
    rows = trials[names].to_numpy(dtype=object).tolist()
    return pd.Series([repr(row) for row in rows], index=trials.index, dtype="object")
