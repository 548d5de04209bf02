"""The figure `distribution`: what share of the trials reached how good a value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import ranges, search_summaries, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.style import INK, MODELS

_MOST_STEPS = 500
_ENDED = ("completed", "pruned", "failed")


def draw(study: Loaded) -> Figure:
    """One panel: all completed trials, those of each model, and all that ended."""
    trials, measure = study.trials, study.measure
    done, ended = summaries.completed(trials), int(trials["state"].isin(_ENDED).sum())
    floor = None if measure.floor is None else measure.floor * measure.factor
    span = ranges.readable(done["value"] * measure.factor, goal=measure.goal, floor=floor)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    ax = figure.subplots()
    style.set_value_axis(ax, span)
    handles = curves(done, measure, ended, ax=ax) if len(done) else []
    style.draw_floor(ax, measure, span)
    ax.grid(visible=True, axis="both")
    ax.set_xlim(0, 101)
    ax.set_xlabel("share of the trials that are at least so good (%)")
    ax.set_ylabel(measure.label)
    cut = span.cut(done["value"] * measure.factor)
    outside = f"; {style.counted(cut, 'trial')} off the scale" if cut else ""
    ax.set_title(
        f"Value of the trials from the best to the worst, n = {len(done):,} completed of {ended:,} ended{outside}"
    )
    if done.empty:
        style.say_empty(ax, "no trial has completed")
    style.put_legend(figure, [*handles, *style.floor_handle(measure, span)])
    return figure


def curves(done: pd.DataFrame, measure: Measure, ended: int, *, ax: Axes) -> list[Line2D]:
    """The steps of each group; answers the entries of a legend."""
    handles = [_curve(done, measure, f"all completed (n = {len(done):,})", ax=ax, color=INK, linewidth=2.2)]
    if ended > len(done):
        label = f"of all ended (n = {ended:,}), the others counted as worse"
        look: dict[str, Any] = {"color": INK, "linewidth": 1.4, "linestyle": (0, (2, 1.5))}
        handles.append(_curve(done, measure, label, ax=ax, of=ended, **look))
    models = [model for model in MODELS if model in set(done["model"])]
    for model in models if len(models) > 1 else []:
        group, mark = done[done["model"] == model], MODELS[model]
        look = {"color": mark.colour, "marker": mark.marker, "markersize": 4.5, "linewidth": 1.5}
        handles.append(_curve(group, measure, f"{model} (n = {len(group):,})", ax=ax, **look))
    return handles


def _curve(done: pd.DataFrame, measure: Measure, label: str, *, ax: Axes, of: int | None = None, **look: Any) -> Line2D:
    sign = 1 if measure.is_minimized else -1
    table = search_summaries.distribution(sign * done["value"], of=of)
    kept = table.iloc[np.unique(np.linspace(0, len(table) - 1, _MOST_STEPS).round().astype(int))]
    shares = np.concatenate([[0.0], 100 * kept["share"].to_numpy()])
    values = sign * measure.factor * kept["value"].to_numpy()
    every = max(1, len(kept) // 12)
    (line,) = ax.plot(
        shares, np.concatenate([values[:1], values]), drawstyle="steps-pre", label=label, markevery=(1, every), **look
    )
    return line


def tell(study: Loaded) -> Words:
    """What half and a tenth of the completed trials reach, and how many beat the floor."""
    trials, measure = study.trials, study.measure
    done, ended = summaries.completed(trials), int(trials["state"].isin(_ENDED).sum())
    answer = _answer(done, measure)
    kind = study.space.sampler.kind
    drawn = "drawn at random" if kind == "random" else f"chosen by the sampler {kind!r}, not drawn at random"
    mixed = " They trained for different numbers of epochs." if done["epochs_trained"].nunique() > 1 else ""
    reading = (
        f"The {measure.name} of the n = {len(done)} completed trials at their best epoch, from the best to the worst, against "
        f"the share that is at least so good; {ended - len(done)} pruned or failed ones count, as worse, in the dotted line "
        f"alone. The trials were {drawn}.{mixed}"
    )
    return Words(answer, reading, f"Distribution of the {measure.name} of completed trials. {answer}")


def _answer(done: pd.DataFrame, measure: Measure) -> str:
    n = len(done)
    if not n:
        return "No trial has completed, so nothing is known of how likely a value is (n = 0)."
    if n < search_summaries.LEAST:
        worst, best = (done["value"].max(), done["value"].min())[:: 1 if measure.is_minimized else -1]
        told = f"The n = {n} completed trials lie between {measure.text(best)} and {measure.text(worst)}, too few for likelihoods"
    else:
        half, tenth = done["value"].quantile([0.5, 0.1 if measure.is_minimized else 0.9])
        told = f"Half of the n = {n} completed trials reach {measure.text(half)} and a tenth {measure.text(tenth)}"
    if measure.floor is None:
        return f"{told}."
    count = sum(measure.is_better(value, measure.floor) for value in done["value"])
    low, high = search_summaries.proportion(count, n)
    return f"{told}; {count} beat the grey table ({100 * count / n:.0f} %, 95 % interval {100 * low:.0f} to {100 * high:.0f} %)."


PLOT = Plot("distribution", "How likely is a random trial to be that good?", draw, tell)
