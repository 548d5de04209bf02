"""The figure `architecture-at-equal-epochs`: every combination of model, filters and dilation, after equally many epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import architecture_figure, ranges, style, summaries
from study.analysis.architecture_figure import FIELDS
from study.analysis.intervals import estimate
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.style import INK, MODELS, Mark

_MOST_ROWS = 20
_LEAST = 3
_MOST_LEVELS = 6
_ROW_INCHES = 0.27
_SHORT = {"kernel_size": "kernel {}", "num_filters": "{} filters", "dilation": "dilation {}", "colour_space": "{}"}


@lru_cache(maxsize=1)
def combinations(study: Loaded) -> tuple[pd.DataFrame, pd.DataFrame, int]:
    """The combinations, the best mean first: `name`, model, n, mean, low, high (95 % interval); their trials; the epoch.

    `value` of a trial is the best by that epoch, which four fifths of all trials reached; pruned trials count too.
    """
    measure, last = study.measure, summaries.common_epoch(study.epochs)
    found = summaries.at_epoch(study.trials, study.epochs, last, metric=measure.metric, goal=measure.goal)
    words = {
        field: {
            level: _words(field, level, many=found[field].nunique() > _MOST_LEVELS) for level in found[field].unique()
        }
        for field in summaries.varying(study.trials, list(FIELDS))
        if field in _SHORT
    }
    found = found.assign(name=[_name(row, words) for row in found.to_dict("records")])
    rows = [
        (name, group["model"].iloc[0], seen.n, seen.mean, seen.low, seen.high)
        for name, group in found.groupby("name")
        for seen in [estimate(group["value"].tolist())]
    ]
    table = pd.DataFrame(rows, columns=["name", "model", "n", "mean", "low", "high"])
    return table.sort_values(["mean", "name"], ascending=[measure.is_minimized, True]), found, last


def draw(study: Loaded) -> Figure:
    """One row a combination, the best on top."""
    table, found, last = combinations(study)
    measure, shown = study.measure, table.head(_MOST_ROWS)
    found = found[found["name"].isin(shown["name"])]
    floor = None if measure.floor is None else measure.floor * measure.factor
    span = ranges.readable(found["value"] * measure.factor, goal=measure.goal, floor=floor)
    figure = Figure(figsize=(9.2, 1.7 + _ROW_INCHES * max(len(shown), 4)), layout="constrained")
    ax = figure.subplots()
    ax.set_title(
        f"After {style.counted(last, 'epoch')}, n = {len(found):,} trials of {len(shown)} combinations"
        + (f", the best of {len(table)}" if len(table) > len(shown) else "")
    )
    _rows(shown, found, measure, span, ax=ax)
    style.draw_floor(ax, measure, span, upright=True)
    style.put_legend(figure, [*_handles(shown), *style.floor_handle(measure, span)])
    return figure


def _rows(table: pd.DataFrame, found: pd.DataFrame, measure: Measure, span: Range, *, ax: Axes) -> None:
    places = {name: place for place, name in enumerate(table["name"])}
    for model, group in found.groupby("model"):
        mark = MODELS.get(str(model), Mark(INK, "o"))
        values = (group["value"] * measure.factor).clip(span.low, span.high)
        hollow = ["white" if state == "pruned" else mark.colour for state in group["state"]]
        ax.scatter(
            values,
            group["name"].map(places),
            s=22,
            marker=mark.marker,
            facecolor=hollow,
            edgecolor=mark.colour,
            alpha=0.8,
            zorder=3,
        )
    for place, row in enumerate(table.to_dict("records")):
        if row["n"] < _LEAST:
            continue
        middle = row["mean"] * measure.factor
        ax.plot([middle], [place], marker="|", markersize=13, markeredgewidth=2, color=INK, zorder=4)
        ends = [max(row["low"] * measure.factor, span.low), min(row["high"] * measure.factor, span.high)]
        ax.plot(ends, [place, place], color=INK, linewidth=1.4, zorder=2.5)
    ax.set_yticks(range(len(table)), [f"{row['name']}, n = {row['n']}" for row in table.to_dict("records")])
    ax.set_ylim(max(len(table), 1) - 0.5, -0.5)
    if span.log:
        ax.set_xscale("log")
        style.set_log_ticks(ax.xaxis, span.low, span.high)
    ax.set_xlim(span.low, span.high)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(measure.label)


def tell(study: Loaded) -> Words:
    """Which combination has the best mean, and whether the second lies apart from it."""
    table, _, last = combinations(study)
    measure = study.measure
    answer = f"After {style.counted(last, 'epoch')} no combination has a value."
    if len(table):
        best = table.iloc[0]
        others = style.counted(len(table) - 1, "other combination")
        answer = (
            f"After {style.counted(last, 'epoch')} {best['name']} is ahead of {others} with "
            f"{measure.text(best['mean'])} (n = {best['n']})"
        )
        answer += "." if best["n"] >= _LEAST else "; so few trials leave much to chance."
    reading = (
        f"The best {measure.name} by epoch {last}, which four fifths of the trials or more reached: pruned ones (hollow) "
        "count, so every trial had the same chance. Strokes are means, lines their 95 % intervals (from n = 3). Other "
        "settings than these may differ between the trials of a row; numbers of filters stand in octaves where many were tried."
    )
    return Words(answer, reading, f"{measure.name} by combination of architecture settings. {answer}")


def _name(row: Mapping[Any, Any], words: Mapping[str, Mapping[Any, str]]) -> str:
    """Model, then what varies beside it; dilation only where there is one."""
    told = [words[field][row[field]] for field in words if field != "dilation" or row["model"] == "dilated_unet"]
    return ", ".join([str(row["model"]), *told])


def _words(field: str, level: Any, *, many: bool) -> str:
    """A level in words; of a number with many, the octave that it lies in."""
    if not many:
        return _SHORT[field].format(level)
    low = 2 ** int(math.log2(level))
    return _SHORT[field].format(f"{low} to {2 * low - 1}")


def _handles(table: pd.DataFrame) -> list[Line2D]:
    return [
        Line2D([], [], color=mark.colour, marker=mark.marker, markersize=5, linestyle="none", label=model)
        for model, mark in MODELS.items()
        if model in set(table["model"])
    ]


PLOT = Plot(
    "architecture-at-equal-epochs",
    "Which combination is ahead when all have trained equally long?",
    draw,
    tell,
    architecture_figure.applies,
)
