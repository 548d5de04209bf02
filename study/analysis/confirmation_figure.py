"""The figure `confirmation`: every candidate's runs with fresh seeds, on validation and on test images."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import ranges, style
from study.analysis.confirmation import Row, test_column
from study.analysis.intervals import Estimate
from study.analysis.judgement import Judgement
from study.analysis.measure import Measure
from study.analysis.ranges import Range
from study.analysis.style import GREY, INK, STATES

NAME = "confirmation"

_MOST_LEVEL_LABELS = 6
_INCHES_EACH = 0.75
_SHIFT = 0.22
"""Of the mean to the right of its runs, and of the search's value to their left, in places."""


def draw(judgement: Judgement) -> Figure:
    """Both panels on one scale: what the search saw and what fresh seeds give, then the test images."""
    rows, frame = judgement.verdict.rows, judgement.runs
    test = test_column(judgement.measure.metric)
    span = _span(judgement, test)
    figure = Figure(figsize=(max(8.0, 2 * _INCHES_EACH * len(rows) + 2), 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    style.set_value_axis(left, span)
    _panel(frame, rows, "value", judgement.measure, span, ax=left)
    _search(rows, judgement.measure, ax=left)
    _panel(frame, rows, test, judgement.test, span, ax=right)
    left.set_ylabel(judgement.measure.label.replace("validation ", ""))
    style.put_legend(figure, _handles(judgement, span))
    return figure


def caption(judgement: Judgement) -> str:
    """What is to be seen, for under the figure."""
    is_handout = judgement.folder.manifest["data"].get("protocol") == "handout"
    test = "which this protocol validates on as well" if is_handout else "which chose nothing"
    return (
        f"Each dot is a run with one of {len(judgement.confirmation.seeds)} fresh seeds; thin lines join runs with the same "
        "seed. Diamonds are means with their 95 % t-intervals; hollow squares are what the search saw. Left: the images that "
        f"chose the best epochs and the trials; right: the test images, {test}."
    )


def _panel(
    frame: pd.DataFrame, rows: Mapping[str, Row], column: str, measure: Measure, span: Range, *, ax: Axes
) -> None:
    """A place for each candidate: its runs, their mean and interval, the floor; runs of the same seed are joined."""
    places = {name: float(place) for place, name in enumerate(rows)}
    scored = frame[frame["state"] == "completed"].dropna(subset=[column])
    values = scored[column] * measure.factor
    x = scored["candidate"].map(places)
    for _, pair in scored.assign(x=x, y=values).groupby("seed"):
        ordered = pair.sort_values("x")
        ax.plot(ordered["x"], ordered["y"], color=GREY, linewidth=0.6, alpha=0.5, zorder=2)
    style.points(x.tolist(), values.tolist(), STATES["completed"], span, ax=ax)
    for name, row in rows.items():
        _draw_mean(places[name] + _SHIFT, _mean_of(row, column), measure, ax=ax)
    style.draw_floor(ax, measure, span)
    labels = [f"{name}\nn = {_mean_of(row, column).n}" for name, row in rows.items()]
    crowded = len(rows) > _MOST_LEVEL_LABELS
    ax.set_xticks(list(places.values()), [label.replace("\n", ", ") for label in labels] if crowded else labels)
    if crowded:
        ax.tick_params(axis="x", rotation=90)
    ax.set_xlim(-0.5, len(rows) - 0.5)
    ax.set_title(f"{measure.name[:1].upper()}{measure.name[1:]}, n = {len(scored)} runs")
    if scored.empty:
        style.say_empty(ax, "no run has completed yet")


def _draw_mean(place: float, found: Estimate, measure: Measure, *, ax: Axes) -> None:
    if not found.n:
        return
    half = 0.0 if math.isnan(found.half_width) else found.half_width * measure.factor
    mean = found.mean * measure.factor
    ax.errorbar(
        place,
        mean,
        yerr=half,
        color=INK,
        elinewidth=1.4,
        marker="D",
        markersize=5,
        capsize=3,
        linestyle="none",
        zorder=5,
    )


def _search(rows: Mapping[str, Row], measure: Measure, *, ax: Axes) -> None:
    """What the search saw of each candidate, to the left of its fresh runs."""
    for place, row in enumerate(rows.values()):
        if row.candidate.value is not None:
            value = row.candidate.value * measure.factor
            ax.scatter(place - _SHIFT, value, 34, marker="s", facecolor="white", edgecolor=INK, zorder=4)


def _span(judgement: Judgement, test: str) -> Range:
    """The axis of both panels: of all runs, and of intervals that do not reach far beyond them."""
    frame, measure = judgement.runs, judgement.measure
    seen = [candidate.value for candidate in judgement.confirmation.candidates if candidate.value is not None]
    runs = [value * measure.factor for value in [*frame["value"], *frame[test], *seen]]
    means = [_mean_of(row, column) for row in judgement.verdict.rows.values() for column in ("value", test)]
    ends = [end * measure.factor for mean in means for end in (mean.low, mean.high)]
    floor = None if measure.floor is None else measure.floor * measure.factor
    return ranges.readable([*runs, *ends], goal=measure.goal, floor=floor, core=runs)


def _mean_of(row: Row, column: str) -> Estimate:
    return row.value if column == "value" else row.test[column]


def _handles(judgement: Judgement, span: Range) -> list[Line2D]:
    run = Line2D([], [], linestyle="none", marker="o", color=STATES["completed"].colour, markersize=5, label="one seed")
    mean = Line2D([], [], color=INK, marker="D", markersize=5, linewidth=1.4, label="mean, 95 % interval")
    seen = Line2D([], [], color=INK, marker="s", markerfacecolor="white", markersize=6, linestyle="none")
    seen.set_label("seen in the search")
    floors = [*style.floor_handle(judgement.measure, span), *style.floor_handle(judgement.test, span)]
    for handle, images in zip(floors, ("validation", "test"), strict=False):
        handle.set_label(str(handle.get_label()).replace("grey table, no network", f"grey table, {images}", 1))
    return [run, mean, seen, *floors]
