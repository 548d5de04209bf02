"""The figure `epoch-impact`: how the objective falls with every epoch, and what a larger budget of epochs buys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from study.analysis import findings, ranges, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.style import GREY, INK, STATES, counted

_WIDE = 30  # from a ratio of so much between the largest and the smallest budget the axis is logarithmic
_TITLE_PAD = 17  # points, room for the row of n
_LEAST_GAP = 0.035  # of the panel's width, between two numbers of that row
_MEAN_SHIFT = 9 / 72  # inches to the right, so that no trial's point is hidden


def draw(study: Loaded) -> Figure:
    """Both panels on one scale; empty panels say why they are."""
    trials, epochs, measure = study.trials, study.epochs, study.measure
    span = value_range(trials, epochs, measure)
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    style.set_value_axis(left, span)
    left.set_ylabel(measure.label)
    curves(epochs, measure, span, ax=left)
    envelope(summaries.envelope(epochs, metric=measure.metric, goal=measure.goal), measure, ax=left)
    groups = summaries.by_budget(trials, goal=measure.goal)
    if len(groups) > 1:
        budgets(trials, groups, measure, span, ax=right)
    else:
        quartiles(summaries.quartiles_by_epoch(epochs, metric=measure.metric, goal=measure.goal), measure, ax=right)
    for ax in (left, right):
        style.draw_floor(ax, measure, span)
    handles = [*style.state_handles(list(epochs["state"]), curves=True), *_line_handles(epochs, len(groups))]
    handles += style.floor_handle(measure, span)
    style.put_legend(figure, handles)
    return figure


def value_range(trials: pd.DataFrame, epochs: pd.DataFrame, measure: Measure) -> Range:
    """The axis of both panels: of every epoch's value."""
    floor = None if measure.floor is None else measure.floor * measure.factor
    values = pd.concat([epochs[measure.metric], trials["value"]]) * measure.factor
    return ranges.readable(values, goal=measure.goal, floor=floor)


def curves(epochs: pd.DataFrame, measure: Measure, span: Range, *, ax: Axes) -> None:
    """One thin curve a trial, drawn as its state says, with a mark where a trial stopped early."""
    shown = epochs.dropna(subset=[measure.metric])
    trials = shown["number"].nunique()
    many = trials > style.MANY
    for state, mark in STATES.items():
        group = shown[shown["state"] == state]
        lines = [
            np.column_stack([one["epoch"], one[measure.metric] * measure.factor]) for _, one in group.groupby("number")
        ]
        width, alpha = (0.5, 0.25) if many else (1.0, 0.75)
        ax.add_collection(
            LineCollection(
                lines,
                colors=mark.colour,
                linestyles=[mark.line],
                linewidths=width,
                alpha=alpha,
                rasterized=many,
                zorder=2,
            ),
            autolim=False,
        )
        ends = np.array([line[-1] for line in lines if state != "completed" or len(line) == 1]).reshape(-1, 2)
        face = "white" if state == "pruned" else mark.colour
        ax.scatter(
            ends[:, 0],
            ends[:, 1],
            6 if many else 16,
            marker=mark.marker,
            facecolor=face,
            edgecolor=mark.colour,
            zorder=3,
        )
    style.set_epoch_axis(ax, int(epochs["epoch"].max()) if len(epochs) else 1)
    ax.set_xlabel("epoch")
    cut = span.cut(shown[measure.metric] * measure.factor)
    outside = f" ({counted(cut, 'point')} off the scale)" if cut else ""
    ax.set_title(f"Every trial, epoch by epoch, n = {trials:,}{outside}", pad=_TITLE_PAD)
    if not trials:
        style.say_empty(ax, "no epoch is recorded yet")


def envelope(table: pd.DataFrame, measure: Measure, *, ax: Axes) -> None:
    """The best value that any trial had reached by each epoch, as a thick line."""
    marker = "o" if len(table) == 1 else None
    ax.plot(table["epoch"], table["best"] * measure.factor, color=INK, linewidth=2.6, marker=marker, zorder=4)


def budgets(trials: pd.DataFrame, groups: pd.DataFrame, measure: Measure, span: Range, *, ax: Axes) -> None:
    """Each trial's value against the epochs it trained; of each budget the mean, the standard deviation and n."""
    done, stopped = summaries.completed(trials), summaries.pruned(trials)
    for state, group in (("pruned", stopped), ("completed", done)):
        style.points(
            group["epochs_trained"].tolist(),
            (group["value"] * measure.factor).tolist(),
            STATES[state],
            span,
            ax=ax,
            hollow=state == "pruned",
            many=len(group) > style.MANY,
        )
    trained = pd.concat([done, stopped])["epochs_trained"]
    is_wide = bool(groups["high"].max() > _WIDE * groups["low"].min())
    style.set_epoch_axis(ax, int(trained.max()), first=int(trained.min()), log=is_wide)
    _means(groups, measure, ax=ax)
    ax.set_xlabel("epochs trained")
    ax.set_title(f"Best epoch's value by budget, n = {len(done):,} completed", pad=_TITLE_PAD)


def _means(groups: pd.DataFrame, measure: Measure, *, ax: Axes) -> None:
    """Mean and standard deviation of each group; beside the trials of a single budget, across the range of several."""
    middle, width = (groups["low"] + groups["high"]) / 2, (groups["high"] - groups["low"]) / 2
    figure = ax.get_figure(root=True)
    assert figure is not None
    shift = 0.0 if width.any() else _MEAN_SHIFT
    ax.errorbar(
        middle,
        groups["mean"] * measure.factor,
        yerr=groups["std"] * measure.factor,
        xerr=width if width.any() else None,
        color=INK,
        elinewidth=1.4,
        marker="D",
        markersize=5,
        capsize=3,
        linestyle="none",
        transform=ax.transData + ScaledTranslation(shift, 0, figure.dpi_scale_trans),
        zorder=5,
    )
    _group_sizes(middle.tolist(), groups["n"].tolist(), ax=ax)


def quartiles(table: pd.DataFrame, measure: Measure, *, ax: Axes) -> None:
    """Median and quartiles of the completed trials' best values so far, where budgets do not differ."""
    values = table[["q1", "median", "q3"]].astype(float) * measure.factor
    colour = STATES["completed"].colour
    ax.fill_between(table["epoch"].astype(float), values["q1"], values["q3"], color=colour, alpha=0.2, linewidth=0)
    ax.plot(table["epoch"], values["median"], color=colour, marker="o", markersize=4, linewidth=2)
    style.set_epoch_axis(ax, int(table["epoch"].max()) if len(table) else 1)
    ax.set_xlabel("epochs trained so far")
    if len(table):
        told = table[table["epoch"].isin(summaries.milestones(int(table["epoch"].max())))]
        _group_sizes(told["epoch"].tolist(), told["n"].tolist(), ax=ax)
        ax.set_title(f"Best value so far, n = {table['n'].iloc[0]:,} completed", pad=_TITLE_PAD)
    else:
        ax.set_title("Best value so far, n = 0 completed", pad=_TITLE_PAD)
        style.say_empty(ax, "no trial has completed")


def _group_sizes(positions: list[float], sizes: list[int], *, ax: Axes) -> None:
    """A row of n above the panel, each over its group; a number too near its neighbour is left out."""
    look: dict[str, Any] = {"transform": ax.transAxes, "va": "bottom", "fontsize": 7.5, "color": GREY}
    last = -1.0
    for position, size in zip(positions, sizes, strict=True):
        place = float(ax.transAxes.inverted().transform(ax.transData.transform((position, ax.get_ylim()[0])))[0])
        if place - last >= _LEAST_GAP:
            ax.text(place, 1.01, f"{size:,}", ha="center", **look)
            last = place
    ax.text(-0.01, 1.01, "n", ha="right", style="italic", **look)


def _line_handles(epochs: pd.DataFrame, groups: int) -> list[Line2D]:
    if epochs.empty:
        return []
    best = Line2D([], [], color=INK, linewidth=2.6, label="best of all trials so far")
    spread = Line2D([], [], color=INK, marker="D", markersize=5, linestyle="none")
    spread.set_label("mean ± standard deviation of a budget")
    median = Line2D([], [], color=STATES["completed"].colour, marker="o", linewidth=2, label="median and quartiles")
    has_completed = (epochs["state"] == "completed").any()
    return [best, spread] if groups > 1 else [best, median] if has_completed else [best]


def tell(study: Loaded) -> Words:
    """What a larger budget buys, or when more epochs brought no more."""
    trials, epochs, measure = study.trials, study.epochs, study.measure
    groups = summaries.by_budget(trials, goal=measure.goal)
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
    cut = value_range(trials, epochs, measure).cut(epochs[measure.metric] * measure.factor)
    outside = f" {cut} points lie off the scale." if cut else ""
    reading = (
        f"Left: the {measure.name} of every trial (n = {epochs['number'].nunique()}) after each epoch; the thick line is the "
        f"best that any of them had reached, pruned ones included. {right}{outside}"
    )
    course = _course(summaries.envelope(epochs, metric=measure.metric, goal=measure.goal), measure)
    answer = findings.epochs_needed(epochs, measure) or findings.by_length(trials, measure) or course
    return Words(answer, reading, f"{measure.name} against epochs. {course}")


def _course(table: pd.DataFrame, measure: Measure) -> str:
    if table.empty:
        return "No epoch is recorded."
    first, last = table.iloc[0], table.iloc[-1]
    return (
        f"The best of all trials goes from {measure.text(first['best'])} at epoch {int(first['epoch'])} "
        f"to {measure.text(last['best'])} at epoch {int(last['epoch'])}."
    )


PLOT = Plot("epoch-impact", "What does every epoch buy?", draw, tell)
