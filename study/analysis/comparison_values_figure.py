"""The figure `comparison-values`: every completed trial of each study, a row a study."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from study.analysis import ranges, style
from study.analysis.comparison import Compared, Comparison
from study.analysis.comparison_style import STUDIES, floor_handles, ns, short
from study.analysis.measure import Measure
from study.analysis.ranges import Range
from study.analysis.style import INK, Mark, counted

FloatArray = NDArray[np.float64]

_LEAST_BOX = 5


def draw(comparison: Comparison) -> Figure:
    """Every completed trial's value, a row a study."""
    measure = comparison.measure
    values = [np.asarray(one.completed_values * measure.factor, dtype=np.float64) for one in comparison]
    every = np.concatenate(values)
    single = None if measure.floor is None else measure.floor * measure.factor
    core = np.concatenate([_better_half(found, measure) for found in values])
    span = ranges.readable(every, goal=measure.goal, floor=single, core=core)
    figure = Figure(figsize=(9.6, 1.9 + 0.62 * len(values)), layout="constrained")
    ax = figure.subplots()
    if span.log:
        ax.set_xscale("log")
        style.set_log_ticks(ax.xaxis, span.low, span.high)
    ax.set_xlim(span.low, span.high)
    for row, (mark, found) in enumerate(zip(STUDIES, values, strict=False)):
        _strip(found, row, mark, span, ax=ax)
    names = [f"{short(one.label)}\nn = {one.totals['completed']:,}{_beside(one)}" for one in comparison]
    ax.set_yticks(range(len(values)), names)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(measure.label)
    cut = span.cut(every)
    outside = f"; {counted(cut, 'value')} off the scale" if cut else ""
    ax.set_title(f"Completed trials at their best epoch, n = {ns(len(found) for found in values)}{outside}")
    handles = floor_handles(measure, span)
    for handle, floor in zip(handles, measure.floors.values(), strict=True):
        ax.axvline(floor * measure.factor, color=handle.get_color(), linestyle=(0, (6, 3)), linewidth=1.4, zorder=1.5)
    if not len(every):
        style.say_empty(ax, "no trial has completed")
    style.put_legend(figure, handles)
    return figure


def _better_half(values: FloatArray, measure: Measure) -> FloatArray:
    half = (len(values) + 1) // 2
    return np.sort(values)[:half] if measure.is_minimized else np.sort(values)[len(values) - half :]


def _strip(values: FloatArray, row: int, mark: Mark, span: Range, *, ax: Axes) -> None:
    """The points of one row, shaken apart by a fixed seed, and a box of median, quartiles and 5 to 95 % where they are many."""
    many = len(values) > style.MANY
    shift = np.random.default_rng(row).uniform(-0.22, 0.22, len(values))
    inside = (values >= span.low) & (values <= span.high)
    look: dict[str, Any] = {"color": mark.colour, "alpha": 0.3 if many else 0.75, "rasterized": many, "zorder": 3}
    look |= {"linewidths": 0.0, "s": 8 if many else 30}
    ax.scatter(values[inside], row + shift[inside], marker=mark.marker, **look)
    for beyond, marker, edge in ((values > span.high, ">", span.high), (values < span.low, "<", span.low)):
        ax.scatter(np.full(beyond.sum(), edge), row + shift[beyond], marker=marker, clip_on=False, **look)
    if len(values) >= _LEAST_BOX:
        _box(values, row, ax=ax)


def _box(values: FloatArray, row: int, *, ax: Axes) -> None:
    low, q1, median, q3, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    half = 0.3
    ax.plot([low, q1, np.nan, q3, high], [row] * 5, color=INK, linewidth=1.1, zorder=4)
    ax.add_patch(Rectangle((q1, row - half), q3 - q1, 2 * half, fill=False, edgecolor=INK, linewidth=1.1, zorder=4))
    ax.plot([median, median], [row - half, row + half], color=INK, linewidth=2.4, zorder=4)


def _beside(study: Compared) -> str:
    told = [f"{study.totals[state]:,} {state}" for state in ("pruned", "failed") if study.totals[state]]
    return f" (not shown: {', '.join(told)})" if told else ""
