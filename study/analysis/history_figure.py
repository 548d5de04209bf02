"""The figure `optimization-history`: what each trial reached, in the order in which they ended."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import ranges, style, summaries
from study.analysis.measure import Measure
from study.analysis.ranges import Range
from study.analysis.style import INK, STATES, counted


def draw(trials: pd.DataFrame, measure: Measure) -> Figure:
    """One panel; an empty one says so."""
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
