"""How all figures look, and how they are written: one palette, one font, the same bytes for the same data."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from study.analysis.measure import Measure
from study.analysis.ranges import Range

_PALETTE = sns.color_palette("colorblind").as_hex()
_DPI = 200
_MANY_EPOCHS = 30
MANY = 200
"""Above so many trials their points and curves are drawn small, faint and as pixels."""
INK = "#222222"
GREY = "#6e6e6e"
_FLOOR = "#a0368a"
BETTER, WORSE = str(_PALETTE[0]), str(_PALETTE[3])
"""Of differences that are shown to be some."""


@dataclass(frozen=True)
class Mark:
    """How one kind of point or curve is drawn."""

    colour: str
    marker: str
    line: Any = "-"
    """A line style of matplotlib: a name or a pattern of dashes."""


STATES: Mapping[str, Mark] = {
    "completed": Mark(_PALETTE[0], "o"),
    "pruned": Mark("#8a8a8a", "o", (0, (4, 2))),
    "failed": Mark(_PALETTE[3], "X", ":"),
    "running": Mark(_PALETTE[2], ">"),
    "interrupted": Mark(_PALETTE[5], "s", (0, (1, 1))),
}
MODELS: Mapping[str, Mark] = {
    "regression_cnn": Mark(_PALETTE[5], "^"),
    "cnn": Mark(_PALETTE[1], "o"),
    "unet": Mark(_PALETTE[2], "s"),
    "dilated_unet": Mark(_PALETTE[9], "D"),
}
_RC: Mapping[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "svg.hashsalt": "study",
    "svg.fonttype": "path",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save in the project's style while the block runs; the settings before it come back after it."""
    settings: dict[Any, Any] = {**sns.axes_style("ticks"), **_RC}
    with mpl.rc_context(settings):
        yield


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as `STEM.png` (200 dots an inch) and `STEM.svg`, each replaced whole, without a date."""
    metadata: Mapping[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": "study analyze"},
    }
    written = []
    for kind, told in metadata.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=told, facecolor="white")
        path = stem.with_name(f"{stem.name}.{kind}")
        scratch = path.with_name(path.name + ".part")
        scratch.write_bytes(buffer.getvalue())
        os.replace(scratch, path)
        written.append(path)
    return written


def remove(stem: Path) -> None:
    """Remove the files that `save` wrote, if there are any."""
    for kind in ("png", "svg"):
        stem.with_name(f"{stem.name}.{kind}").unlink(missing_ok=True)


def set_value_axis(ax: Axes, span: Range) -> None:
    """Give the y axis its ends, logarithmic where the range says so, with plain numbers for ticks."""
    if span.log:
        ax.set_yscale("log")
        set_log_ticks(ax.yaxis, span.low, span.high)
    ax.set_ylim(span.low, span.high)


def set_epoch_axis(ax: Axes, last: int, *, first: int = 1, log: bool | None = None) -> None:
    """Give the x axis whole epochs from `first` to `last`, logarithmic where there are many unless `log` decides."""
    if log or (log is None and last > _MANY_EPOCHS):
        ax.set_xscale("log")
        ax.set_xlim(first * 0.9, last * 1.1)
        set_log_ticks(ax.xaxis, first, last)
        return
    pad = max(0.03 * (last - first), 0.4)
    ax.set_xlim(first - pad, last + pad)
    ax.xaxis.set_major_locator(whole_numbers())


def set_cost_axis(ax: Axes, costs: Sequence[float]) -> None:
    """Make the x axis logarithmic, from a little below the least of the costs to a little above the largest."""
    positive = [cost for cost in costs if cost > 0]
    if positive:
        ax.set_xscale("log")
        low, high = min(positive) / 1.25, max(positive) * 1.25
        ax.set_xlim(low, high)
        set_log_ticks(ax.xaxis, low, high)
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))


def whole_numbers() -> MaxNLocator:
    """Ticks at whole numbers, in steps of 1, 2, 5, 10, ..."""
    return MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])


def points(
    places: Sequence[float],
    values: Sequence[float],
    mark: Mark,
    span: Range,
    *,
    ax: Axes,
    hollow: bool = False,
    many: bool = False,
) -> None:
    """One point a trial; a value off the scale becomes a triangle at the edge that it lies beyond."""
    x, y = np.asarray(places, dtype=float), np.asarray(values, dtype=float)
    sides = ((y > span.high, "^", span.high), (y < span.low, "v", span.low))
    inside = ~(sides[0][0] | sides[1][0])
    look: dict[str, Any] = {
        "facecolor": "white" if hollow else mark.colour,
        "edgecolor": mark.colour,
        "alpha": 0.35 if many else 0.6 if hollow else 0.85,
        "s": 8 if many else 24,
        "rasterized": many,
    }
    zorder = 3.0 if hollow else 3.2
    ax.scatter(x[inside], y[inside], marker=mark.marker, zorder=zorder, **look)
    for beyond, marker, edge in sides:
        if beyond.any():
            ax.scatter(x[beyond], np.full(beyond.sum(), edge), marker=marker, clip_on=False, zorder=zorder, **look)


def draw_floor(ax: Axes, measure: Measure, span: Range, *, upright: bool = False) -> None:
    """A dashed line at the grey table's score, where it lies on the axis: level, or `upright` where values go sideways."""
    if measure.floor is not None and span.floor_shown:
        line = ax.axvline if upright else ax.axhline
        line(measure.floor * measure.factor, color=_FLOOR, linestyle=(0, (6, 3)), linewidth=1.4, zorder=3)


def floor_handle(measure: Measure, span: Range) -> list[Line2D]:
    """The floor's entry in a legend, which also tells if it lies off the axis; none where there is no floor."""
    if measure.floor is None:
        return []
    value = measure.floor * measure.factor
    text = f"grey table, no network ({measure.text(measure.floor)})"
    if span.floor_shown:
        return [Line2D([], [], color=_FLOOR, linestyle=(0, (6, 3)), linewidth=1.4, label=text)]
    side = "below" if value < span.low else "above"
    marker = "v" if side == "below" else "^"
    return [Line2D([], [], color=_FLOOR, linestyle="none", marker=marker, label=f"{text}, {side} the axis")]


def state_handles(states: Sequence[str], *, curves: bool = False) -> list[Line2D]:
    """Entries of a legend for those of the states that occur."""
    present = set(states)
    return [
        Line2D(
            [],
            [],
            color=mark.colour,
            linestyle=mark.line if curves else "none",
            marker=None if curves and state == "completed" else mark.marker,
            markerfacecolor="white" if state == "pruned" else mark.colour,
            markersize=5,
            label=f"{state} trial" if curves else state,
        )
        for state, mark in STATES.items()
        if state in present
    ]


def put_legend(figure: Figure, handles: Sequence[Artist]) -> None:
    """Place a legend below all panels, in as many rows as its texts need; nothing for no handles."""
    if handles:
        widths_inches = [0.75 + 0.075 * len(str(handle.get_label())) for handle in handles]
        rows = math.ceil(sum(widths_inches) / figure.get_figwidth())
        columns = math.ceil(len(handles) / rows)
        figure.legend(handles=list(handles), loc="outside lower center", ncols=columns)


def say_empty(ax: Axes, text: str) -> None:
    """Tell in the middle of a panel why nothing is drawn."""
    ground = {"facecolor": "white", "edgecolor": "none"}
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY, bbox=ground, zorder=4)


def counted(number: int, noun: str) -> str:
    """A number with its noun, the plural in s: `1 trial`, `3 trials`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def set_log_ticks(axis: Axis, low: float, high: float) -> None:
    """Give a logarithmic axis ticks at round values from about `low` to `high`, as plain numbers."""
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 6 else (1, 2, 5) if high / low < 300 else (1,)
    ticks = [step * 10.0**power for power in range(-12, 12) for step in steps]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
