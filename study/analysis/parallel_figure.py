"""The figure `parallel-coordinates`: each completed trial as a line through its hyperparameters to its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from study.analysis import ranges, setting_axes, slices_figure, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.settings import FloatArray, Setting
from study.analysis.style import GREY, INK

MOST_LINES = 100
_MOST_AXES = 10
_UNUSED = -0.13
"""Where a trial passes an axis whose hyperparameter it has not."""


def draw(study: Loaded) -> Figure:
    """One panel of axes side by side, the objective's last."""
    measure, settings = study.measure, study.by_importance[:_MOST_AXES]
    done = summaries.ranked(study.trials, goal=measure.goal)
    span = value_range(done, measure)
    figure = Figure(figsize=(max(1.25 * (len(settings) + 1) + 1.2, 7.0), 4.4), layout="constrained")
    ax = figure.subplots()
    ax.set_title(_title(len(done)), pad=22)
    heights = lines(done, study.codes, settings, measure, span)
    if len(done) > MOST_LINES:
        quantiles(heights, ax=ax)
    stopped = summaries.pruned(study.trials)
    if 0 < len(stopped) <= MOST_LINES:
        _stopped(lines(stopped, study.codes, settings, measure, span)[:, :-1], ax=ax)
    scale = setting_axes.norm((done["value"].head(MOST_LINES) * measure.factor).clip(span.low, span.high).tolist())
    if len(done):
        _best(heights[:MOST_LINES], done["value"].head(MOST_LINES).to_numpy() * measure.factor, measure, scale, ax=ax)
        setting_axes.bar(figure, ax, measure.label, scale, setting_axes.of_values(measure))
    if span.floor_shown and measure.floor is not None:
        _draw_floor(measure, span, len(settings), ax=ax)
    axes(settings, measure, span, ax=ax, unused=bool((heights == _UNUSED).any()))
    if done.empty:
        style.say_empty(ax, "no trial has completed")
    style.put_legend(
        figure, [*_handles(len(done), len(stopped)), *(style.floor_handle(measure, span) if span.floor_shown else [])]
    )
    return figure


def value_range(done: pd.DataFrame, measure: Measure) -> Range:
    """The ends of the objective's axis."""
    floor = None if measure.floor is None else measure.floor * measure.factor
    return ranges.readable(done["value"] * measure.factor, goal=measure.goal, floor=floor)


def lines(
    trials: pd.DataFrame, codes: pd.DataFrame, settings: list[Setting], measure: Measure, span: Range
) -> FloatArray:
    """A row a trial: how high it crosses each axis, from 0 to 1, good values high on the last; below 0 where it has none."""
    numbers = trials["number"].to_numpy(dtype=np.float64)
    found = codes.loc[trials["number"]]
    columns = [_heights(found[one.name].to_numpy(), numbers, one) for one in settings]
    return np.column_stack([*columns, _value_heights(trials["value"].to_numpy() * measure.factor, measure, span)])


def _value_heights(values: FloatArray, measure: Measure, span: Range) -> FloatArray:
    """How high values as shown are on the last axis."""
    ends = np.array([span.low, span.high])
    inside = values.clip(*ends)
    low, high = np.log(ends) if span.log else ends
    height: FloatArray = ((np.log(inside) if span.log else inside) - low) / (high - low)
    return 1 - height if measure.is_minimized else height


def _heights(codes: FloatArray, numbers: FloatArray, setting: Setting) -> FloatArray:
    """Choices are spread a little, with a margin at both ends, so that lines through the same one can be told apart."""
    places = _share(setting_axes.spread(codes, numbers, setting, width=0.22), setting)
    return np.where(np.isnan(codes), _UNUSED, places)


def _share(codes: FloatArray, setting: Setting) -> FloatArray:
    """How high codes are on an axis, from 0 to 1, with half a step below and above where the values are few."""
    if not setting.is_coarse or setting.parameter.log:
        return setting.share(codes)
    (low, high), step = setting.ends, setting.parameter.step or 1
    return (codes - low + step / 2) / (high - low + step)


def quantiles(heights: FloatArray, *, ax: Axes) -> None:
    """Where nine tenths, and half, of all completed trials cross each axis."""
    known = np.where(heights < 0, np.nan, heights)
    for low, high, alpha in ((5, 95, 0.16), (25, 75, 0.22)):
        for place, column in enumerate(known.T):
            having = column[~np.isnan(column)]
            if len(having):
                bottom, top = np.percentile(having, [low, high])
                ax.fill_between(
                    [place - 0.13, place + 0.13], bottom, top, color=GREY, alpha=alpha, linewidth=0, zorder=1
                )


def _draw_floor(measure: Measure, span: Range, place: int, *, ax: Axes) -> None:
    """A dash across the last axis at the grey table's score."""
    (handle,) = style.floor_handle(measure, span)
    assert measure.floor is not None
    (height,) = _value_heights(np.array([measure.floor * measure.factor]), measure, span)
    look: dict[str, Any] = {"color": handle.get_color(), "linestyle": (0, (3, 1.5)), "linewidth": 1.8}
    ax.plot([place - 0.25, place + 0.3], [height, height], zorder=5, **look)


def _best(heights: FloatArray, values: FloatArray, measure: Measure, scale: Normalize, *, ax: Axes) -> None:
    """The lines, the best last and so on top."""
    places = np.arange(heights.shape[1])
    found = [np.column_stack([places, row]) for row in heights[::-1]]
    strength = np.linspace(0.7, 2.0, len(found)) if len(found) > 1 else [2.0]
    drawn = LineCollection(
        found, cmap=setting_axes.of_values(measure), norm=scale, linewidths=strength, alpha=0.85, zorder=3
    )
    drawn.set_array(values[::-1])
    ax.add_collection(drawn, autolim=False)


def _stopped(heights: FloatArray, *, ax: Axes) -> None:
    places = np.arange(heights.shape[1])
    found = [np.column_stack([places, row]) for row in heights]
    ax.add_collection(
        LineCollection(found, colors="#bbbbbb", linewidths=0.7, linestyles=[(0, (4, 2))], zorder=2), autolim=False
    )


def axes(settings: list[Setting], measure: Measure, span: Range, *, ax: Axes, unused: bool) -> None:
    """The upright axes with their ticks as text, names above."""
    ax.set_axis_off()
    ax.set_xlim(-0.35, len(settings) + 0.45)
    ax.set_ylim(_UNUSED - 0.09 if unused else -0.06, 1.06)
    box: dict[str, Any] = {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6}
    for place, setting in enumerate(settings):
        ax.plot([place, place], [0, 1], color=INK, linewidth=1, zorder=4)
        ax.text(place, 1.05, setting.label.replace(" ", "\n", 1), ha="center", va="bottom", fontsize=8.5)
        for height, text in _ticks(setting):
            ax.text(place + 0.04, height, text, ha="left", va="center", fontsize=7.5, bbox=box, zorder=5)
        if unused and setting.parameter.when:
            ax.text(place, _UNUSED - 0.03, "not used", ha="center", va="top", fontsize=7.5, color=GREY)
    last = len(settings)
    ax.plot([last, last], [0, 1], color=INK, linewidth=1.6, zorder=4)
    ax.text(last, 1.05, measure.name.replace(" ", "\n", 1), ha="center", va="bottom", fontsize=8.5, weight="bold")
    for height in (0.0, 0.5, 1.0):
        share = 1 - height if measure.is_minimized else height
        value = span.low * (span.high / span.low) ** share if span.log else span.low + share * (span.high - span.low)
        ax.text(
            last + 0.04,
            height,
            measure.text(value / measure.factor),
            ha="left",
            va="center",
            fontsize=7.5,
            bbox=box,
            zorder=5,
        )


def _ticks(setting: Setting) -> list[tuple[float, str]]:
    if not setting.has_range:
        places = _share(np.arange(len(setting.choices), dtype=np.float64), setting)
        return list(zip(places.tolist(), [setting_axes.short(word) for word in setting.labels], strict=True))
    quarters = dict.fromkeys(setting.at(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0))
    values = np.array(setting.parameter.values if setting.is_coarse else list(quarters), dtype=np.float64)
    return list(zip(_share(values, setting).tolist(), [setting.text(value) for value in values.tolist()], strict=True))


def _title(done: int) -> str:
    shown = f", the best {MOST_LINES} drawn" if done > MOST_LINES else ""
    return f"Each completed trial's settings and value, n = {done:,}{shown}"


def _handles(done: int, stopped: int) -> list[Line2D | Patch]:
    found: list[Line2D | Patch] = []
    if done > MOST_LINES:
        found.append(Patch(color=GREY, alpha=0.4, label="half of all completed trials, and nine tenths (lighter)"))
    if 0 < stopped <= MOST_LINES:
        found.append(
            Line2D([], [], color="#bbbbbb", linestyle=(0, (4, 2)), label=f"pruned ({stopped}), value not comparable")
        )
    return found


def tell(study: Loaded) -> Words:
    """What the best combinations have in common, or which the best one is."""
    measure = study.measure
    done = summaries.ranked(study.trials, goal=measure.goal)
    most = len(study.settings) - _MOST_AXES
    left = f" {most} hyperparameters that explain least are left out." if most > 0 else ""
    lengths = done["epochs_trained"].nunique() > 1
    mixed = " They trained for different numbers of epochs." if lengths else ""
    drawn = f" The best {MOST_LINES} are drawn, and where half and nine tenths of all lie."
    few = drawn if len(done) > MOST_LINES else ""
    reading = (
        f"A line is a completed trial (n = {len(done)}): it crosses each axis at the trial's setting and ends at its "
        f"{measure.name}, good values high; the best are thick, dark and on top.{few} Pruned trials have no value "
        f"here.{mixed}{left}{_floor_off(measure, value_range(done, measure))}"
    )
    answer = _answer(study, done)
    return Words(answer, reading, f"Settings and {measure.name} of completed trials as lines. {answer}")


def _floor_off(measure: Measure, span: Range) -> str:
    if measure.floor is None or span.floor_shown:
        return ""
    return f" The grey table's score, {measure.text(measure.floor)}, lies off the last axis."


def _answer(study: Loaded, done: pd.DataFrame) -> str:
    if done.empty:
        return "No trial has completed, so there is no best combination (n = 0)."
    first = done.iloc[0]
    codes = study.codes.loc[first["number"]]
    told = ", ".join(
        f"{one.label} {one.text(codes[one.name])}"
        for one in study.by_importance[:_MOST_AXES]
        if not np.isnan(codes[one.name])
    )
    value = study.measure.text(first["value"])
    return f"The best of n = {len(done)} combinations reached {value}: {told} (trial {first['number']})."


PLOT = Plot("parallel-coordinates", "Which combinations are good?", draw, tell, slices_figure.applies)
