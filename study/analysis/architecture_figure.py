"""The figure `architecture-comparison`: the objective by model, filter size, width, dilation and colour space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import findings, ranges, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.style import GREY, INK, STATES

FIELDS = {
    "model": "model",
    "kernel_size": "kernel size (pixels)",
    "num_filters": "filters of the first block",
    "dilation": "dilation (dilated_unet only)",
    "colour_space": "colour space",
}
"""The fields that are compared, with the labels of their axes."""

_MOST_LEVELS = 8
_LEAST_FOR_BOX = 5


def draw(study: Loaded) -> Figure:
    """A panel for each field that varies, all on one scale."""
    trials, measure = study.trials, study.measure
    done, stopped = summaries.completed(trials), summaries.pruned(trials)
    scored = pd.concat([done, stopped])
    floor = None if measure.floor is None else measure.floor * measure.factor
    values, core = scored["value"] * measure.factor, done["value"] * measure.factor
    span = ranges.readable(values, goal=measure.goal, floor=floor, core=core)
    fields = summaries.varying(trials, list(FIELDS))
    columns = 2 if len(fields) == 4 else min(len(fields), 3)
    figure, panels = _panels(len(fields), columns=columns)
    style.set_value_axis(panels[0], span)
    for field, ax in zip(fields, panels, strict=True):
        by_field(trials, field, measure, span, ax=ax)
    for place, ax in enumerate(panels):
        style.draw_floor(ax, measure, span)
        if place % columns == 0:
            ax.set_ylabel(measure.label)
    handles = [*_handles(scored), *_off_scale(span.cut(values)), *style.floor_handle(measure, span)]
    style.put_legend(figure, handles)
    return figure


def by_field(trials: pd.DataFrame, field: str, measure: Measure, span: Range, *, ax: Axes) -> None:
    """Points by the levels of a field with the median of the completed trials; quartiles from five trials on."""
    table = summaries.by_level(trials, field, goal=measure.goal)
    shown = summaries.comparable(trials, field)
    levels = table["level"].tolist()
    spread = len(levels) <= _MOST_LEVELS
    positions = {level: float(place) if spread else float(level) for place, level in enumerate(levels)}
    for state in ("pruned", "completed"):
        group = shown[(shown["state"] == state) & shown["value"].notna()]
        x = _places(group, field, positions, jitter=0.16 if spread else 0.0)
        y = (group["value"] * measure.factor).tolist()
        style.points(x, y, STATES[state], span, ax=ax, hollow=state == "pruned", many=len(group) > style.MANY)
    if spread:
        for row in table[table["n"] > 0].to_dict("records"):
            _median(row, positions[row["level"]], measure, ax=ax)
        labels = [_level_label(row) for row in table.to_dict("records")]
        ax.set_xticks(list(positions.values()), labels)
        ax.set_xlim(-0.5, len(levels) - 0.5)
    ax.set_xlabel(FIELDS[field])
    done = int(table["n"].sum())
    ax.set_title(f"n = {done:,} completed, {int(table['n_pruned'].sum()):,} pruned")


def _panels(count: int, *, columns: int) -> tuple[Figure, list[Axes]]:
    """So many panels with one y axis; unused places of the last row stay empty."""
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(max(3.5 * columns, 6.4), 3.5 * rows + 0.6), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel().tolist()
    for unused in grid[count:]:
        unused.remove()
    return figure, grid[:count]


def _places(group: pd.DataFrame, field: str, positions: dict[Any, float], *, jitter: float) -> list[float]:
    """Places side by side in the order of the trials, so that equal values do not hide each other."""
    sizes, ranks = group.groupby(field)["number"].transform("size"), group.groupby(field).cumcount()
    offsets = jitter * (2 * ranks / (sizes - 1).clip(lower=1) - (sizes > 1).astype(float))
    return [positions[level] + offset for level, offset in zip(group[field], offsets, strict=True)]


def _level_label(row: Mapping[Any, Any]) -> str:
    stopped = f" (+{row['n_pruned']})" if row["n_pruned"] else ""
    return f"{row['level']}\nn = {row['n']}{stopped}"


def _median(row: Mapping[Any, Any], place: float, measure: Measure, *, ax: Axes) -> None:
    low, middle, high = (row[name] * measure.factor for name in ("q1", "median", "q3"))
    if row["n"] >= _LEAST_FOR_BOX:
        ax.fill_between(
            [place - 0.28, place + 0.28], low, high, color=STATES["completed"].colour, alpha=0.18, linewidth=0
        )
    ax.plot([place - 0.28, place + 0.28], [middle, middle], color=INK, linewidth=2, solid_capstyle="butt", zorder=4)


def _off_scale(cut: int) -> list[Line2D]:
    """The legend's entry for the triangles at the edge, if there are any."""
    label = f"off the scale ({cut:,})"
    return (
        [Line2D([], [], linestyle="none", marker="^", color=GREY, markerfacecolor="white", label=label)] if cut else []
    )


def _handles(scored: pd.DataFrame) -> list[Line2D]:
    """Entries of the legend: states, then the median."""
    states = style.state_handles(list(scored["state"]))
    for handle in states:
        if handle.get_label() == "pruned":
            handle.set_label("pruned (+n)")
    has_completed = (scored["state"] == "completed").any()
    return [*states, *([Line2D([], [], color=INK, linewidth=2, label="median of completed")] if has_completed else [])]


def tell(study: Loaded) -> Words:
    """The medians of the models, and of each other choice."""
    trials, measure = study.trials, study.measure
    fields = summaries.varying(trials, list(FIELDS))
    reading = (
        f"The {measure.name} at each trial's best epoch by {', '.join(FIELDS[field] for field in fields)} "
        f"(n = {len(summaries.completed(trials))} completed). Lines are medians, boxes quartiles (from n = 5) of completed "
        "trials. The sampler chose the settings together, so a difference between levels is not the effect of one alone."
    )
    told = "; ".join(_levels(trials, field, measure) for field in fields)
    answer = findings.by_model(trials, measure) or findings.best(trials, measure)
    return Words(answer, reading, f"{measure.name} by architecture. {told}".strip())


def _levels(trials: pd.DataFrame, field: str, measure: Measure) -> str:
    table = summaries.by_level(trials, field, goal=measure.goal)
    rows = table[table["n"] > 0]
    told = [f"{row['level']} {measure.text(row['median'])} (n = {row['n']})" for row in rows.to_dict("records")]
    return f"medians by {field}: {', '.join(told) or 'none completed'}"


def applies(study: Loaded) -> bool:
    """Whether trials of different architectures have a value."""
    return bool(summaries.varying(study.trials, list(FIELDS)))


PLOT = Plot("architecture-comparison", "Which architecture?", draw, tell, applies)
