"""The figure `importance`: how much each searched hyperparameter matters, how sure that is, and what chance would give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import style
from study.analysis.fidelity import LEAST
from study.analysis.importance import MOST_TRIALS, Importance
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot, Words
from study.analysis.settings import Setting
from study.analysis.style import GREY, INK, STATES

_CLEAR = STATES["completed"].colour
_UNCLEAR = "#c9c9c9"
_CHANCE = "#d55e00"
_TITLES = {"fanova": "fANOVA: the variance it explains alone", "ped_anova": "PED-ANOVA: what sets the best apart"}
_UNITS = {"fanova": "share of the variance (%)", "ped_anova": "share of the difference (%)"}


def draw(study: Loaded) -> Figure:
    """A panel a method, the hyperparameters in one order."""
    found, settings = study.importance, study.by_importance
    rows = max(len(found.order), 2) + 1
    figure = Figure(figsize=(9.6, 1.9 + 0.32 * rows), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    places = _places(found, settings)
    for ax, method in zip(panels, _TITLES, strict=True):
        bars(found.of(method), places, ax=ax)
        if method == "fanova" and places:
            _together(found.together, len(places), ax=ax)
        ax.set_title(f"{_TITLES[method]}, n = {found.used:,}")
        ax.set_xlabel(_UNITS[method])
    panels[0].set_yticks([*places.values(), len(places)], [*places, "none alone"])
    panels[0].set_ylim(len(places) + 0.6, -0.6)
    if not places:
        panels[0].set_yticks([])
    else:
        style.put_legend(figure, _handles())
    return figure


def bars(table: pd.DataFrame, places: dict[str, int], *, ax: Axes) -> None:
    """A bar a hyperparameter with its interval, and a mark where chance would get; grey if the interval is not above that."""
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    if table.empty:
        style.say_empty(ax, f"too few trials (at least {LEAST} with a value\nthat differs are needed)")
        ax.set_xticks([])
        return
    y = np.array([places[name.replace("_", " ")] for name in table["name"]])
    share, low, high, chance = (100 * table[name].astype(float) for name in ("share", "low", "high", "chance"))
    colours = [_CLEAR if matters else _UNCLEAR for matters in table["matters"]]
    ax.barh(y, share, height=0.66, color=colours)
    errors = np.array([share - low, high - share]).clip(min=0)
    ax.errorbar(share, y, xerr=errors, linestyle="none", color=INK, elinewidth=1.1, capsize=2.5)
    ax.scatter(chance.clip(upper=102), y, 90, marker="|", color=_CHANCE, linewidths=2, zorder=4)
    ax.set_xlim(0, 103)


def _together(interval: tuple[float, float, float], place: int, *, ax: Axes) -> None:
    share, low, high = (100 * end for end in interval)
    ax.barh(place, share, height=0.66, facecolor="white", edgecolor=GREY, hatch="////", linewidth=0.8)
    ends = [[max(share - low, 0)], [max(high - share, 0)]]
    ax.errorbar([share], [place], xerr=ends, linestyle="none", color=INK, elinewidth=1.1, capsize=2.5)


def _places(found: Importance, settings: list[Setting]) -> dict[str, int]:
    known = set(found.order)
    return {label: place for place, label in enumerate(one.label for one in settings if one.name in known)}


def _handles() -> list[Line2D]:
    look: dict[str, Any] = {"linestyle": "none", "marker": "s", "markersize": 7}
    mark: dict[str, Any] = {"marker": "|", "markersize": 9, "markeredgewidth": 2}
    return [
        Line2D([], [], color=_CLEAR, label="matters", **look),
        Line2D([], [], color=_UNCLEAR, label="not told from chance", **look),
        Line2D([], [], color=INK, label="95 % interval"),
        Line2D([], [], color=_CHANCE, linestyle="none", label="what shuffled values reach", **mark),
    ]


def tell(study: Loaded) -> Words:
    """Which hyperparameters matter, and how much."""
    found = study.importance
    answer = _answer(found, study)
    drawn = f" {found.used} of them, drawn at random, were used." if found.compared.n > MOST_TRIALS else ""
    reading = (
        f"{found.compared.rule}{drawn} Left: the share of the objective's variance over the search space that each of them "
        "explains alone, by a random forest; 'none alone' is interactions, and noise taken for them. Right: by how much its "
        "values among the best trials (a tenth, or at least ten or a quarter) differ from those among all. Whiskers are 95 % "
        "intervals (trials drawn anew); marks are what a hyperparameter reaches once in twenty times when its values are "
        "dealt out at random among the trials, at the edge where that is more than all. It matters only where its interval "
        "lies above the mark. One that exists under a condition counts where it exists. The sampler did not draw all values "
        "equally often, and far outliers count as less far."
    )
    return Words(answer, reading, f"Bars of importance by two methods. {answer}")


def _answer(found: Importance, study: Loaded) -> str:
    if not found.used:
        return (
            f"Too few trials to tell what matters: n = {found.compared.n} can be compared, at least {LEAST} with different "
            "values are needed."
        )
    what = f"{study.measure.name} {found.compared.when}"
    alone = found.of("fanova").query("matters")
    apart = [_label(name) for name in found.of("ped_anova").query("matters")["name"]]
    best = f"the best trials differ from all in {_and(apart)}" if apart else ""
    if alone.empty:
        text = f"No hyperparameter's share of the variance of the {what} is told from chance (n = {found.used})"
        return f"{text}, but {best}." if best else f"{text}."
    told = [
        f"{_label(row['name'])} explains {100 * row['share']:.0f} % ({100 * row['low']:.0f} to {100 * row['high']:.0f} %)"
        for row in alone.to_dict("records")
    ]
    others = len(found.order) - len(told)
    rest = f"; of the other {others} no effect is told from chance" if others else ""
    return f"Alone, {_and(told)} of the variance of the {what} (n = {found.used}, 95 % intervals){rest}."


def _label(name: str) -> str:
    return name.replace("_", " ")


def _and(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def applies(study: Loaded) -> bool:
    """Whether anything is searched."""
    return bool(study.settings)


PLOT = Plot("importance", "What matters most?", draw, tell, applies)
