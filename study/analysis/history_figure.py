"""The figure `optimization-history`: what each trial reached, in the order in which they ended."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import findings, ranges, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.style import INK, STATES, counted


def draw(study: Loaded) -> Figure:
    """One panel; an empty one says so."""
    trials, measure = study.trials, study.measure
    ended = summaries.history(trials, goal=measure.goal)
    floor = None if measure.floor is None else measure.floor * measure.factor
    values, core = ended["value"] * measure.factor, summaries.completed(trials)["value"] * measure.factor
    span = ranges.readable(values, goal=measure.goal, floor=floor, core=core)
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    ax = figure.subplots()
    style.set_value_axis(ax, span)
    history(ended, measure, span, ax=ax)
    style.draw_floor(ax, measure, span)
    handles = style.state_handles(list(ended["state"]))
    if ended["best"].notna().any():
        handles.append(Line2D([], [], color=INK, linewidth=2, label="best completed so far"))
    handles += style.floor_handle(measure, span)
    style.put_legend(figure, handles)
    return figure


def history(ended: pd.DataFrame, measure: Measure, span: Range, *, ax: Axes) -> None:
    """A point a trial, drawn as its state says: those off the scale at the edge, failed ones above it; and the best so far."""
    shown = ended.assign(value=ended["value"] * measure.factor)
    for state in ("pruned", "completed"):
        group = shown[shown["state"] == state]
        x, y = group["order"].tolist(), group["value"].tolist()
        style.points(x, y, STATES[state], span, ax=ax, hollow=state == "pruned", many=len(shown) > style.MANY)
    failed = shown[shown["state"] == "failed"]
    edge = ax.get_xaxis_transform()
    above = [1.025] * len(failed)
    ax.scatter(failed["order"], above, 30, marker="X", color=STATES["failed"].colour, transform=edge, clip_on=False)
    best = shown.dropna(subset=["best"])
    ax.step(best["order"], best["best"] * measure.factor, where="post", color=INK, linewidth=2, zorder=2.5)
    last = max(len(ended), 1)
    pad = max(0.5, 0.015 * last)
    ax.set_xlim(1 - pad, last + pad)
    ax.xaxis.set_major_locator(style.whole_numbers())
    ax.set_xlabel("trials in the order in which they ended")
    ax.set_ylabel(measure.label)
    ax.set_title(_title(shown, span), pad=12)
    if ended.empty:
        style.say_empty(ax, "no trial has ended yet")


def _title(shown: pd.DataFrame, span: Range) -> str:
    counts = [(shown["state"] == state).sum() for state in ("completed", "pruned", "failed")]
    told = "n = {:,} completed, {:,} pruned, {:,} failed".format(*counts)
    cut = span.cut(shown["value"])
    return f"Each trial's best epoch, {told}" + (f"; {counted(cut, 'trial')} off the scale" if cut else "")


def tell(study: Loaded) -> Words:
    """Which trial is the best so far."""
    trials, measure = study.trials, study.measure
    ended = summaries.history(trials, goal=measure.goal)
    reading = (
        f"The {measure.name} at the best epoch of each of the n = {len(ended)} trials that have ended, in the order in "
        "which they ended. The line is the best completed trial so far; pruned trials (hollow) do not count for it, and "
        "failed ones are marked above the panel."
    )
    best = ended["best"].dropna()
    alt = "No trial has completed."
    if len(best):
        alt = f"The best completed value went from {measure.text(best.iloc[0])} to {measure.text(best.iloc[-1])}."
    answer = findings.best(trials, measure) if len(trials) else "No trial has been asked yet."
    return Words(answer, reading, f"{measure.name} of trials in the order in which they ended. {alt}")


PLOT = Plot("optimization-history", "How did the search go?", draw, tell)
