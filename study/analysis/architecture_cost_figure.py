"""The figure `architecture-cost`: the objective against weights, multiply-adds and seconds, and what is worth its cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import pareto, ranges, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.style import INK, MODELS, Mark

_COSTS: Mapping[str, str] = {
    "parameters": "trained weights",
    "multiply_adds": "multiply-adds an image",
    "epoch_seconds": "seconds an epoch",
}
_STEPS = 10  # of cost, where there are many trials


def draw(study: Loaded) -> Figure:
    """A panel for each cost, all on one scale; the front joins the trials that are worth it."""
    trials, measure = with_seconds(study.trials), study.measure
    scored = pd.concat([summaries.completed(trials), summaries.pruned(trials)])
    done = summaries.completed(trials)
    floor = None if measure.floor is None else measure.floor * measure.factor
    span = ranges.readable(
        scored["value"] * measure.factor, goal=measure.goal, floor=floor, core=done["value"] * measure.factor
    )
    figure = Figure(figsize=(10.4, 4.2), layout="constrained")
    panels = figure.subplots(1, len(_COSTS), sharey=True)
    style.set_value_axis(panels[0], span)
    panels[0].set_ylabel(measure.label)
    for cost, ax in zip(_COSTS, panels, strict=True):
        against(scored, cost, measure, span, ax=ax)
        style.draw_floor(ax, measure, span)
    style.put_legend(figure, [*_handles(scored), *style.floor_handle(measure, span)])
    return figure


def against(scored: pd.DataFrame, cost: str, measure: Measure, span: Range, *, ax: Axes) -> None:
    """Points coloured by model, pruned trials hollow, and the front of the completed ones as a step line."""
    known = scored.dropna(subset=[cost])
    for model, mark in MODELS.items():
        of_model = known[known["model"] == model]
        if len(known) > style.MANY:
            _band(summaries.completed(of_model), cost, measure, mark, ax=ax)
            continue
        for state, group in of_model.groupby("state"):
            x, y = group[cost].astype(float).tolist(), (group["value"] * measure.factor).tolist()
            style.points(x, y, mark, span, ax=ax, hollow=state == "pruned")
    worth = pareto.front(summaries.completed(known), cost, goal=measure.goal)
    if len(worth):
        right = float(known[cost].max())
        x = [*worth[cost].astype(float), right]
        y = [*(worth["value"] * measure.factor), float(worth["value"].iloc[-1]) * measure.factor]
        ax.step(x, y, where="post", color=INK, linewidth=1.6, zorder=2.6)
    style.set_cost_axis(ax, known[cost].astype(float).tolist())
    ax.set_xlabel(_COSTS[cost])
    done = int((known["state"] == "completed").sum())
    ax.set_title(f"n = {done:,} completed, {len(known) - done:,} pruned")
    if known.empty:
        style.say_empty(ax, "no trial has a value yet")


def _band(done: pd.DataFrame, cost: str, measure: Measure, mark: Mark, *, ax: Axes) -> None:
    """Median, and the middle four fifths, of many trials in steps of cost."""
    costs = done[cost].astype(float)
    logarithm = pd.Series(np.log(costs.to_numpy()), done.index)
    steps = pd.cut(logarithm, _STEPS, labels=False) if costs.nunique() > 1 else 0 * logarithm
    place, values = costs.groupby(steps).median(), (done["value"] * measure.factor).groupby(steps)
    ax.fill_between(place, values.quantile(0.1), values.quantile(0.9), color=mark.colour, alpha=0.18, linewidth=0)
    ax.plot(place, values.median(), color=mark.colour, marker=mark.marker, markersize=4, linewidth=1.6)


def tell(study: Loaded) -> Words:
    """What the cheapest trial on the front reaches, and what the best one costs beside it."""
    trials, measure = with_seconds(study.trials), study.measure
    done = summaries.completed(trials)
    worth = pareto.front(done, "multiply_adds", goal=measure.goal)
    if worth.empty:
        answer = "No trial has completed."
    elif len(worth) == 1:
        answer = (
            f"The best of n = {len(done)} completed trials is among the cheapest: {_trial(worth.iloc[0], measure)}."
        )
    else:
        cheap, best = worth.iloc[0], worth.iloc[-1]
        times = best["multiply_adds"] / cheap["multiply_adds"]
        answer = (
            f"From {_trial(cheap, measure)} to {_trial(best, measure)} the value gets "
            f"{measure.difference(best['value'] - cheap['value'])} better for "
            f"{times:.3g} times the multiply-adds (n = {len(done)} completed)."
        )
    reading = (
        f"The {measure.name} at each trial's best epoch against what its network costs: trained weights, multiply-adds of one "
        "forward pass over one image, and the mean time of its epochs on its worker, which other work there may have "
        "slowed. The line joins the completed trials that no cheaper one equals (the Pareto front); pruned trials, hollow, "
        "are not on it. More than 200 trials are drawn as medians and middle four fifths of the completed ones, by cost."
    )
    return Words(answer, reading, f"{measure.name} against cost. {answer}")


def with_seconds(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials with `epoch_seconds`: mean seconds of an epoch, NaN before the first."""
    seconds = trials["seconds"] / trials["epochs_trained"].where(trials["epochs_trained"] > 0)
    return trials.assign(epoch_seconds=seconds.astype("float64"))


def _trial(row: pd.Series[Any], measure: Measure) -> str:
    millions = row["multiply_adds"] / 1e6
    return f"{measure.text(row['value'])} ({row['model']}, trial {row['number']}, {millions:.3g} million multiply-adds)"


def _handles(scored: pd.DataFrame) -> list[Line2D]:
    present = set(scored["model"])
    marks = [
        Line2D([], [], color=mark.colour, marker=mark.marker, markersize=5, linestyle="none", label=model)
        for model, mark in MODELS.items()
        if model in present
    ]
    hollow = Line2D(
        [], [], color=INK, marker="o", markerfacecolor="white", markersize=5, linestyle="none", label="pruned"
    )
    pruned = [hollow] if (scored["state"] == "pruned").any() else []
    front = [Line2D([], [], color=INK, linewidth=1.6, label="Pareto front")] if present else []
    return [*marks, *pruned, *front]


def applies(study: Loaded) -> bool:
    """Whether trials of different cost have a value."""
    return bool(summaries.varying(study.trials, ["multiply_adds"]))


PLOT = Plot("architecture-cost", "What does a better network cost?", draw, tell, applies)
