"""The figure `slices`: the objective against each searched hyperparameter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from study.analysis import ranges, search_summaries, setting_axes, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.settings import Setting
from study.analysis.style import GREY, INK

_MOST_PANELS = 9
_COLUMNS = 3
_MOST_POINTS = 300
"""Of the completed, and of the pruned; of more a part is drawn, evenly over the order of asking."""


def draw(study: Loaded) -> Figure:
    """A panel a hyperparameter, the most important first, on one scale."""
    measure, settings = study.measure, study.by_importance[:_MOST_PANELS]
    scored = scored_trials(study)
    span = value_range(scored, measure)
    columns = min(len(settings), _COLUMNS)
    rows = math.ceil(len(settings) / columns)
    figure = Figure(figsize=(max(3.3 * columns, 6.4), 2.9 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel().tolist()
    cmap, scale = setting_axes.colours(), setting_axes.norm(scored["number"].tolist())
    for place, ax in enumerate(grid):
        if place >= len(settings):
            ax.remove()
            continue
        panel(scored, settings[place], measure, span, ax=ax, look={"cmap": cmap, "norm": scale})
        style.draw_floor(ax, measure, span)
    figure.supylabel(measure.label, fontsize=9)
    if len(scored):
        setting_axes.bar(figure, grid[: len(settings)], "trial's number (order of asking)", scale, cmap, whole=True)
    style.put_legend(figure, [*_handles(scored), *style.floor_handle(measure, span)])
    return figure


def scored_trials(study: Loaded) -> pd.DataFrame:
    """Completed and pruned trials with their number, state, value and codes."""
    found = pd.concat([summaries.completed(study.trials), summaries.pruned(study.trials)]).sort_values("number")
    return found[["number", "state", "value", "epochs_trained"]].join(study.codes, on="number")


def value_range(scored: pd.DataFrame, measure: Measure) -> Range:
    """The axis of all panels."""
    values = scored["value"] * measure.factor
    floor = None if measure.floor is None else measure.floor * measure.factor
    return ranges.readable(values, goal=measure.goal, floor=floor, core=values[scored["state"] == "completed"])


def panel(
    scored: pd.DataFrame, setting: Setting, measure: Measure, span: Range, *, ax: Axes, look: dict[str, Any]
) -> None:
    """A point a trial, pruned ones hollow; of many trials small points, with median and quartiles of the completed."""
    shown = scored.dropna(subset=[setting.name])
    is_done = shown["state"] == "completed"
    many = len(scored) > style.MANY
    style.set_value_axis(ax, span)
    setting_axes.set_axis(ax, setting)
    for hollow, group in ((True, shown[~is_done]), (False, shown[is_done])):
        _points(_part(group), setting, measure, span, ax=ax, look=look, hollow=hollow, many=many)
    if many:
        done = shown[is_done]
        table = search_summaries.by_bin(done[setting.name], done["value"] * measure.factor, setting)
        _quartiles(table, setting, ax=ax)
    ax.set_title(f"n = {is_done.sum():,} completed, {(~is_done).sum():,} pruned")
    if shown.empty:
        style.say_empty(ax, "no trial has a value yet")


def _points(
    group: pd.DataFrame,
    setting: Setting,
    measure: Measure,
    span: Range,
    *,
    ax: Axes,
    look: dict[str, Any],
    hollow: bool,
    many: bool,
) -> None:
    number, value = group["number"].to_numpy(dtype=np.float64), group["value"].to_numpy() * measure.factor
    x = setting_axes.spread(group[setting.name].to_numpy(), number, setting, width=0.32 if many else 0.22)
    shapes = (("o", (value >= span.low) & (value <= span.high)), ("^", value > span.high), ("v", value < span.low))
    for marker, chosen in shapes:
        colour = look["cmap"](look["norm"](number[chosen]))
        y = value[chosen].clip(span.low, span.high)
        face: dict[str, Any] = (
            {"facecolors": "none", "edgecolors": colour} if hollow else {"c": colour, "linewidths": 0}
        )
        size, alpha = (5, 0.4) if many else (22, 0.9)
        width: dict[str, Any] = {"linewidths": 0.4 if many else 1.1} if hollow else {}
        ax.scatter(x[chosen], y, size, marker=marker, alpha=alpha, rasterized=many, zorder=3, **face, **width)


def _part(group: pd.DataFrame) -> pd.DataFrame:
    """Every so-manieth row, so that at most so many are left."""
    return group.iloc[:: math.ceil(len(group) / _MOST_POINTS) or 1]


def _quartiles(table: pd.DataFrame, setting: Setting, *, ax: Axes) -> None:
    if not setting.is_coarse:
        ax.fill_between(table["place"], table["q1"], table["q3"], color=INK, alpha=0.22, linewidth=0, zorder=4)
        ax.plot(table["place"], table["median"], color=INK, linewidth=2, zorder=5)
        return
    half = 0.36 * (setting.parameter.step or 1)
    for row in table.to_dict("records"):
        ends = [row["place"] - half, row["place"] + half]
        ax.fill_between(ends, row["q1"], row["q3"], color=INK, alpha=0.22, linewidth=0, zorder=4)
        ax.plot(ends, [row["median"]] * 2, color=INK, linewidth=2, zorder=5)


def _handles(scored: pd.DataFrame) -> list[Any]:
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 5, "color": GREY}
    states = {"completed": GREY, "pruned (fewer epochs)": "white"}
    present = [name for name in states if name.split(" ")[0] in set(scored["state"])]
    handles: list[Any] = [Line2D([], [], markerfacecolor=states[name], label=name, **look) for name in present]
    if len(scored) > style.MANY and "completed" in present:
        handles.append(Line2D([], [], color=INK, linewidth=2, label="median of completed"))
        handles.append(Patch(color=INK, alpha=0.22, label="quartiles"))
    return handles


def tell(study: Loaded) -> Words:
    """Where the best completed trials lie, as far as chance would not put them there."""
    measure = study.measure
    scored = scored_trials(study)
    answer = common(study)
    done = int((scored["state"] == "completed").sum())
    left = len(study.settings) - _MOST_PANELS
    missing = f" {left} further hyperparameters are left out." if left > 0 else ""
    cut = value_range(scored, measure).cut(scored["value"] * measure.factor)
    outside = f" {style.counted(cut, 'trial')} off the scale lie at the edge." if cut else ""
    reading = (
        f"The {measure.name} at each trial's best epoch (n = {done} completed, {len(scored) - done} pruned) against each "
        "hyperparameter, the most important first, coloured by the order of asking. A trial without the hyperparameter is not in "
        f"its panel; pruned trials saw fewer epochs and are in no median.{_lengths(scored)}{outside}{missing}"
    )
    return Words(answer, reading, f"{measure.name} against each of {len(study.settings)} hyperparameters. {answer}")


def _lengths(scored: pd.DataFrame) -> str:
    """What else a reader must know of the points."""
    done = scored[scored["state"] == "completed"]
    mixed = (
        " The completed trials trained for different numbers of epochs." if done["epochs_trained"].nunique() > 1 else ""
    )
    many = len(scored) and scored.groupby("state").size().max() > _MOST_POINTS
    part = f" At most {_MOST_POINTS} of either are drawn, evenly over the order of asking; medians are of all."
    return mixed + (part if many else "")


def common(study: Loaded) -> str:
    """What the best completed trials have in common that chance would not give them."""
    done = summaries.completed(study.trials)
    if len(done) < search_summaries.LEAST:
        return (
            f"Too few trials to tell where the good values lie: n = {len(done)} completed, at least "
            f"{search_summaries.LEAST} are needed."
        )
    best = search_summaries.best_rows(study.trials, goal=study.measure.goal)
    settings = {setting.name: setting for setting in study.settings}
    table = search_summaries.spans(study.codes.loc[done["number"]], best["number"].tolist(), study.settings)
    clear = table[table["p"] < 0.05].to_dict("records")
    told = [f"{_span(row, settings[row['name']])} ({100 * row['part']:.0f} % of all have)" for row in clear]
    which = f"The best {len(best)} of n = {len(done)} completed trials"
    if not told:
        return f"{which} have no value in common that chance would not give them."
    return f"{which} all have {'; '.join(told)}."


def _span(row: dict[Any, Any], setting: Setting) -> str:
    low, high = setting.text(row["low"]), setting.text(row["high"])
    return f"{setting.label} {low}" if low == high else f"{setting.label} {low} to {high}"


def applies(study: Loaded) -> bool:
    """Whether anything is searched."""
    return bool(study.settings)


PLOT = Plot("slices", "Where do the good values lie?", draw, tell, applies)
