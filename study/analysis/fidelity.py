"""Which value of each trial may be compared with which: trials that trained for different lengths are never mixed in silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis import summaries
from study.analysis.measure import Measure

LEAST = 8
"""Of fewer trials nothing is said."""

_MOST_PART = 0.75
_FENCE = 3.0


@dataclass(frozen=True)
class Compared:
    """One value a trial, all of them meaning the same."""

    values: pd.Series[float]
    """In the metric's own unit, by the number of the trial."""
    epochs: int | None
    """After so many epochs each; None where it is the value of completed trials, whose `epochs` is a setting."""
    trials: int
    """How many trials have recorded any value, those left out included."""

    @property
    def n(self) -> int:
        """How many are compared."""
        return len(self.values)

    @property
    def when(self) -> str:
        """At what point, for a title: `after 3 epochs`."""
        if self.epochs is None:
            return "of completed trials"
        return f"after {self.epochs} epoch{'' if self.epochs == 1 else 's'}"

    @property
    def rule(self) -> str:
        """Which values are compared, in a sentence."""
        if self.epochs is None:
            return (
                f"Compared are the best values of the n = {self.n} completed trials, in which the number of epochs is a "
                f"setting like the others; {self.trials - self.n} trials that trained for less than they asked are left out."
            )
        return (
            f"Compared is the best value that each trial had {self.when}, the longest that three quarters of the trials "
            f"trained: n = {self.n} of {self.trials} trials, pruned ones included."
        )

    def tamed(self, goal: str) -> pd.Series[float]:
        """The values, but far outliers on the bad side are drawn in to the fence: three quartile distances off the quartile."""
        first, third = self.values.quantile(0.25), self.values.quantile(0.75)
        reach = _FENCE * (third - first)
        if reach == 0:
            return self.values
        if goal == "minimize":
            return self.values.clip(upper=float(third + reach))
        return self.values.clip(lower=float(first - reach))


def compare(trials: pd.DataFrame, epochs: pd.DataFrame, measure: Measure, *, epochs_searched: bool) -> Compared:
    """Choose the point at which trials are compared.

    After as many epochs as three quarters of the trials trained, so that pruned trials count and all have had the same. Where
    the number of epochs is itself searched, and enough trials have completed, at the completed trials' best epochs.
    """
    found = epochs[np.isfinite(epochs[measure.metric].to_numpy(dtype=np.float64))]
    last = found.groupby("number")["epoch"].max()
    done = summaries.completed(trials).set_index("number")["value"]
    if epochs_searched and len(done) >= LEAST:
        return Compared(done.astype("float64"), None, len(last))
    if last.empty:
        return Compared(pd.Series(dtype="float64"), None if epochs_searched else 1, 0)
    common = int(last.sort_values(ascending=False).iloc[math.ceil(_MOST_PART * len(last)) - 1])
    reached = found[found["number"].isin(last.index[last >= common]) & (found["epoch"] <= common)]
    grouped = reached.groupby("number")[measure.metric]
    return Compared(grouped.min() if measure.is_minimized else grouped.max(), common, len(last))
