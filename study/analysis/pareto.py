"""Which trials no other one beats in both value and cost: the Pareto front. Frame in, frame out."""

from __future__ import annotations

import pandas as pd


def front(trials: pd.DataFrame, cost: str, *, goal: str) -> pd.DataFrame:
    """The trials that no other one equals or beats at a lower or equal cost, from the cheapest on.

    Of trials alike in both, the one with the lowest number is kept; those without a value or a cost count for nothing.
    """
    known = trials.dropna(subset=["value", cost])
    ordered = known.sort_values([cost, "value", "number"], ascending=[True, goal == "minimize", True])
    best = ordered["value"].cummin() if goal == "minimize" else ordered["value"].cummax()
    before = best.shift()
    better = (ordered["value"] < before) if goal == "minimize" else (ordered["value"] > before)
    return ordered[better | before.isna()]
