"""The figure `contours`: the objective over pairs of the hyperparameters that matter most."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure

from study.analysis import search_summaries, setting_axes, style
from study.analysis.fidelity import LEAST
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot, Words
from study.analysis.settings import FloatArray, Setting
from study.analysis.style import INK

_MOST_SETTINGS = 3
_MOST_POINTS = 800
"""Of more trials a part is drawn, evenly over the order of asking."""
_LEAST_NEAR = 2.0
"""Trials that a place must have nearby to be called the best."""


def pairs(study: Loaded) -> list[tuple[Setting, Setting]]:
    """The pairs of the three hyperparameters that explain most, but for those that cannot be told apart in any trial."""
    counted = study.importance.order
    known = [one for one in study.by_importance if one.name in counted or not counted]
    found = combinations(known[:_MOST_SETTINGS], 2)
    return [(across, up) for across, up in found if len(values_of(study, across, up)) or not study.compared.n]


def values_of(study: Loaded, across: Setting, up: Setting) -> pd.DataFrame:
    """The codes of both settings and the compared `value`, outliers drawn in, of the trials that have both settings."""
    values = study.compared.tamed(study.measure.goal) * study.measure.factor
    table = study.codes.loc[values.index, [across.name, up.name]].assign(value=values)
    return table.dropna()


def draw(study: Loaded) -> Figure:
    """A map a pair, on one scale of colours."""
    chosen, measure = pairs(study), study.measure
    figure = Figure(figsize=(max(3.4 * len(chosen) + 0.8, 5.4), 3.6), layout="constrained")
    panels = figure.subplots(1, max(len(chosen), 1), squeeze=False).ravel().tolist()
    cmap, scale = setting_axes.of_values(measure), _scale(study, chosen)
    for ax, (across, up) in zip(panels, chosen, strict=False):
        chart(values_of(study, across, up), across, up, ax=ax, cmap=cmap, scale=scale)
    if study.compared.n and chosen:
        label = f"{measure.label}\n{study.compared.when}"
        setting_axes.bar(figure, panels, label, scale, cmap)
    return figure


def _scale(study: Loaded, chosen: list[tuple[Setting, Setting]]) -> Normalize:
    """From the best to the worst trial; of many, whose own colours are not shown, from the best to the worst mean."""
    values = study.compared.tamed(study.measure.goal) * study.measure.factor
    if len(values) <= style.MANY:
        return setting_axes.norm(values.tolist())
    tables = [(values_of(study, *pair), *pair) for pair in chosen]
    maps = [search_summaries.surface(table, table["value"], across, up).ravel() for table, across, up in tables]
    found = np.concatenate([*maps, np.empty(0)])
    return setting_axes.norm(found[np.isfinite(found)].tolist())


def chart(table: pd.DataFrame, across: Setting, up: Setting, *, ax: Axes, cmap: Colormap, scale: Normalize) -> None:
    """The mean of nearby trials, white where there is none, with the trials in their own colours."""
    ax.grid(visible=False)
    setting_axes.set_axis(ax, across)
    setting_axes.set_axis(ax, up, which="y")
    ax.set_title(f"n = {len(table):,}")
    if len(table) < LEAST:
        style.say_empty(ax, f"too few trials (n = {len(table)})")
        return
    found = search_summaries.surface(table, table["value"], across, up)
    ax.pcolormesh(_edges(across), _edges(up), found, cmap=cmap, norm=scale, rasterized=True, linewidth=0)
    if across.has_range and up.has_range and np.isfinite(found).any():
        shown = np.ma.masked_invalid(found)
        middle = [setting_axes.places(one, search_summaries.grid(one)) for one in (across, up)]
        if np.ptp(shown.compressed()) > 0:
            ax.contour(*middle, shown, 6, colors="white", linewidths=0.7, alpha=0.8)
    _trials(table, across, up, ax=ax, look={"cmap": cmap, "norm": scale})


def _trials(table: pd.DataFrame, across: Setting, up: Setting, *, ax: Axes, look: dict[str, Any]) -> None:
    numbers = table.index.to_numpy(dtype=np.float64)
    x = setting_axes.spread(table[across.name].to_numpy(), numbers, across, width=0.3)
    y = setting_axes.spread(table[up.name].to_numpy(), numbers * 7 + 3, up, width=0.3)
    if len(table) > style.MANY:
        some = slice(None, None, math.ceil(len(table) / _MOST_POINTS))
        ax.scatter(x[some], y[some], 3, color=INK, alpha=0.4, linewidths=0, rasterized=True)
        return
    ax.scatter(x, y, 26, c=table["value"], edgecolors="white", linewidths=0.9, zorder=4, **look)


def _edges(setting: Setting) -> FloatArray:
    """The edges of the cells of a map, in the axis' own numbers."""
    count = len(search_summaries.grid(setting))
    if setting.has_range:
        return setting_axes.places(setting, np.linspace(0, 1, count + 1))
    return np.arange(count + 1, dtype=np.float64) - 0.5


def tell(study: Loaded) -> Words:
    """Where the map of the first pair is best, and how much interactions explain."""
    measure, compared = study.measure, study.compared
    answer = _answer(study)
    reading = (
        f"The mean {measure.name} of nearby trials over pairs of the hyperparameters that explain most, with the trials as "
        f"points; white where no trial is near, nothing is extrapolated. {compared.rule} Far outliers are drawn "
        f"in.{_floor(study)}"
    )
    return Words(answer, reading, f"Maps of the {measure.name} over pairs of hyperparameters. {answer}")


def _floor(study: Loaded) -> str:
    """Where the grey table stands beside the colours, which have no room for its line."""
    floor, measure = study.measure.floor, study.measure
    if floor is None or not study.compared.n:
        return ""
    better = sum(measure.is_better(value, floor) for value in study.compared.values)
    return f" {better} of these trials beat the grey table ({measure.text(floor)}), which needs no network."


def _answer(study: Loaded) -> str:
    chosen, measure = pairs(study), study.measure
    table = values_of(study, *chosen[0]) if chosen else pd.DataFrame()
    if len(table) < LEAST or not study.importance.used:
        return f"Too few trials to tell which two go together: n = {len(table)}, at least {LEAST} are needed."
    across, up = chosen[0]
    found = search_summaries.surface(table, table["value"], across, up, least=_LEAST_NEAR)
    if np.isnan(found).all():
        which = f"{across.label} and {up.label} (n = {len(table)})"
        return f"The trials lie too far apart to tell which values of {which} go together."
    flat = np.where(np.isnan(found), np.inf, found if measure.is_minimized else -found)
    row, column = np.unravel_index(int(flat.argmin()), flat.shape)
    best = measure.text(float(found[row, column]) / measure.factor)
    share, low, high = (100 * part for part in study.importance.together)
    near = f"{_text(across, int(column))} and {_text(up, int(row))}"
    return (
        f"Of {across.label} and {up.label} together, trials near {near} have the best mean {measure.name} {study.compared.when}, "
        f"{best} (n = {len(table)} over the map); interactions (and noise taken for them) make up {share:.0f} % of the variance "
        f"({low:.0f} to {high:.0f} %)."
    )


def _text(setting: Setting, place: int) -> str:
    code = search_summaries.grid(setting)[place]
    return setting.text(float(setting_axes.places(setting, code)) if setting.has_range else float(code))


def applies(study: Loaded) -> bool:
    """Whether two hyperparameters or more are searched."""
    return len(study.settings) > 1


PLOT = Plot("contours", "Which two hyperparameters go together?", draw, tell, applies)
