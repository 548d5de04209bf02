"""What stands under each figure, and what a reader hears who cannot see it: computed from the same frames."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis import epoch_figure, summaries
from study.analysis.architecture_figure import FIELDS
from study.analysis.measure import Measure


@dataclass(frozen=True)
class Caption:
    """The words of one figure."""

    title: str
    text: str
    alt: str


def captions(trials: pd.DataFrame, epochs: pd.DataFrame, measure: Measure) -> dict[str, Caption]:
    """The words of every figure, by its name."""
    return {
        "epoch-impact": _epoch_impact(trials, epochs, measure),
        "architecture-comparison": _architecture(trials, measure),
        "optimization-history": _history(trials, measure),
    }


def _epoch_impact(trials: pd.DataFrame, epochs: pd.DataFrame, measure: Measure) -> Caption:
    groups = summaries.by_budget(trials, goal=measure.goal)
    table = summaries.envelope(epochs, metric=measure.metric, goal=measure.goal)
    if len(groups) > 1:
        right = (
            "Right: the value at each completed trial's best epoch against the epochs it trained, with mean and standard "
            "deviation (none for n = 1) and n above; pruned trials, hollow, are in no mean."
        )
    else:
        right = (
            "Right: median and quartiles of the completed trials' best values so far, with n above; a trial counts for as "
            "long as it trained."
        )
    cut = epoch_figure.value_range(trials, epochs, measure).cut(epochs[measure.metric] * measure.factor)
    outside = f" {cut} points lie off the scale." if cut else ""
    text = (
        f"Left: the {measure.name} of every trial (n = {epochs['number'].nunique()}) after each epoch; the thick line is the "
        f"best that any of them had reached, pruned ones included. {right}{outside}"
    )
    return Caption("What every epoch buys", text, f"{measure.name} against epochs. {_course(table, measure)}")


def _architecture(trials: pd.DataFrame, measure: Measure) -> Caption:
    fields = summaries.varying(trials, list(FIELDS))
    shown = ", ".join(FIELDS[field] for field in fields)
    panels = f"by {shown}, and by" if shown else "by"
    text = (
        f"The {measure.name} at each trial's best epoch {panels} the number of trained weights "
        f"(n = {len(summaries.completed(trials))} completed). Lines are medians, boxes quartiles (from n = 5) of completed "
        "trials. The sampler chose the settings together, so a difference between levels is not the effect of one alone."
    )
    told = "; ".join(_levels(trials, field, measure) for field in fields)
    return Caption("Which architecture", text, f"{measure.name} by architecture. {told}".strip())


def _history(trials: pd.DataFrame, measure: Measure) -> Caption:
    ended = summaries.history(trials, goal=measure.goal)
    text = (
        f"The {measure.name} at the best epoch of each of the n = {len(ended)} trials that have ended, in the order in "
        "which they ended. The line is the best completed trial so far; pruned trials (hollow) do not count for it, and "
        "failed ones are marked above the panel."
    )
    best = ended["best"].dropna()
    alt = "No trial has completed."
    if len(best):
        alt = f"The best completed value went from {measure.text(best.iloc[0])} to {measure.text(best.iloc[-1])}."
    return Caption("How the search went", text, f"{measure.name} of trials in the order in which they ended. {alt}")


def _course(table: pd.DataFrame, measure: Measure) -> str:
    if table.empty:
        return "No epoch is recorded."
    first, last = table.iloc[0], table.iloc[-1]
    return (
        f"The best of all trials goes from {measure.text(first['best'])} at epoch {int(first['epoch'])} "
        f"to {measure.text(last['best'])} at epoch {int(last['epoch'])}."
    )


def _levels(trials: pd.DataFrame, field: str, measure: Measure) -> str:
    table = summaries.by_level(trials, field, goal=measure.goal)
    rows = table[table["n"] > 0]
    told = [f"{row['level']} {measure.text(row['median'])} (n = {row['n']})" for row in rows.to_dict("records")]
    return f"medians by {field}: {', '.join(told) or 'none completed'}"
