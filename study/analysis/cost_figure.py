"""The figure `cost`: what the epochs and the workers' time were spent on, by model, and how long an epoch takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from study.analysis import costs, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot, Words
from study.analysis.style import INK, MODELS, STATES
from study.text import duration

_LOOKS = {
    "completed": (STATES["completed"].colour, ""),
    "pruned": ("#b4b4b4", ""),
    "failed": (STATES["failed"].colour, ""),
    "unfinished": (STATES["running"].colour, ""),
    "repeated": ("#ffffff", "/////"),
}
_WORDS = {
    "completed": "completed trials",
    "pruned": "pruned ones",
    "failed": "failed ones",
    "unfinished": "trials under way",
    "repeated": "repeating what interruptions lost",
}
_UNITS = (("hours", 3600.0, 5 * 3600.0), ("minutes", 60.0, 300.0), ("seconds", 1.0, 0.0))
_LOG_RATIO = 8.0


def spent(study: Loaded) -> pd.DataFrame:
    """Epochs and seconds by model and what became of them."""
    return costs.by_model(study.trials, study.attempts, costs.filled_in_seconds(study.record))


def draw(study: Loaded) -> Figure:
    """Epochs, workers' time, and seconds an epoch, a row a model."""
    table = spent(study)
    models = [name for name in summaries.MODELS if (table["model"] == name).any()]
    figure = Figure(figsize=(10, 2.4 + 0.42 * max(len(models), 1)), layout="constrained")
    epochs, time, speed = figure.subplots(1, 3, sharey=True)
    stacked(table, "epochs", 1.0, models, ax=epochs)
    epochs.set_xlabel("epochs")
    epochs.set_title(f"Epochs trained, n = {int(table['epochs'].sum()):,}")
    most = float(table.groupby("model")["seconds"].sum().max()) if len(table) else 0.0
    unit, seconds, _ = next(row for row in _UNITS if most >= row[2])
    stacked(table, "seconds", seconds, models, ax=time)
    time.set_xlabel(f"{unit} of workers' time")
    time.set_title(f"Workers' time, {duration(table['seconds'].sum())}")
    speeds(costs.epoch_seconds(study.epochs, study.trials), models, ax=speed)
    epochs.set_yticks(range(len(models)), models)
    epochs.set_ylim(max(len(models), 1) - 0.5, -0.5)
    for ax in (epochs, time, speed):
        ax.grid(visible=False, axis="y")
        ax.grid(visible=True, axis="x")
        ax.tick_params(axis="y", length=0)
    style.put_legend(figure, _handles(table))
    return figure


def stacked(table: pd.DataFrame, column: str, unit: float, models: list[str], *, ax: Axes) -> None:
    """One bar a model, in parts by what became of them."""
    left = np.zeros(len(models))
    for fate in costs.FATES:
        part = (
            table[table["fate"] == fate].set_index("model")[column].reindex(models, fill_value=0).to_numpy(dtype=float)
            / unit
        )
        (there,), (colour, hatch) = np.nonzero(part), _LOOKS[fate]
        look: dict[str, Any] = {
            "facecolor": colour,
            "hatch": hatch,
            "edgecolor": INK if hatch else "white",
            "linewidth": 0.5,
        }
        ax.barh(there, part[there], left=left[there], height=0.66, **look)
        left += part
    ax.set_xlim(0, 1.04 * left.max() if len(left) and left.max() else 1)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.12g}")
    if not models:
        style.say_empty(ax, "no epoch is recorded yet")


def speeds(table: pd.DataFrame, models: list[str], *, ax: Axes) -> None:
    """A point a trial, and the median and quartiles of each model."""
    generator = np.random.default_rng(0)
    for row, model in enumerate(models):
        seconds = table.loc[table["model"] == model, "seconds"].to_numpy(dtype=float)
        many, mark = len(seconds) > style.MANY, MODELS[model]
        y = row + 0.22 * generator.uniform(-1, 1, len(seconds))
        ax.scatter(
            seconds,
            y,
            6 if many else 16,
            marker=mark.marker,
            color=mark.colour,
            alpha=0.35 if many else 0.7,
            linewidth=0,
            rasterized=many,
        )
        if len(seconds):
            low, middle, high = np.quantile(seconds, [0.25, 0.5, 0.75])
            ax.hlines([row], [low], [high], color=INK, linewidth=1.6)
            ax.vlines([middle], [row - 0.28], [row + 0.28], color=INK, linewidth=2.2)
    found = table["seconds"]
    if len(found) and found.min() > 0 and found.max() / found.min() > _LOG_RATIO:
        ax.set_xscale("log")
        ax.set_xlim(found.min() * 0.85, found.max() * 1.18)
        style.set_log_ticks(ax.xaxis, found.min(), found.max())
    else:
        ax.set_xlim(0, 1.06 * float(found.max()) if len(found) else 1)
    ax.set_xlabel("seconds an epoch")
    ax.set_title(f"Median of each trial, n = {len(table):,}")


def _handles(table: pd.DataFrame) -> list[Artist]:
    present = set(table["fate"])
    return [
        Patch(facecolor=colour, hatch=hatch, edgecolor=INK if hatch else colour, linewidth=0.5, label=fate)
        for fate, (colour, hatch) in _LOOKS.items()
        if fate in present
    ]


def tell(study: Loaded) -> Words:
    """What share of epochs and time went where, and how long an epoch takes with each model."""
    table = spent(study)
    epochs, seconds = int(table["epochs"].sum()), float(table["seconds"].sum())
    if not epochs:
        answer = "No epoch has been trained yet."
    else:
        parts = table.groupby("fate", observed=True)[["epochs", "seconds"]].sum()
        told = [
            f"{_share(row['epochs'], epochs)} went into {_WORDS[str(fate)]} ({_share(row['seconds'], seconds)} of the time)"
            for fate, row in parts.iterrows()
        ]
        answer = f"Of n = {epochs:,} epochs, {duration(seconds)} of workers' time, {_listed(told)}{_speed(study)}."
    devices = ", ".join(sorted(study.trials["device"].dropna().unique()))
    reading = (
        "Epochs and the time spent in them by model and by what became of the trial; an epoch that was trained once more after "
        "an interruption counts as repeated, whatever became of its trial. Right: the median seconds an epoch of each trial, "
        f"with median and quartiles of each model{f', on {devices}' if devices else ''}. Time outside epochs is not counted."
    )
    return Words(answer, reading, f"Epochs and workers' time by model. {answer}")


def _share(part: float, whole: float) -> str:
    return "under 1 %" if part < 0.01 * whole else f"{100 * part / whole:.0f} %" if whole else "0 %"


def _listed(told: list[str]) -> str:
    return " and ".join([", ".join(told[:-1]), told[-1]] if len(told) > 1 else told)


def _speed(study: Loaded) -> str:
    """The median epoch of each model."""
    medians = costs.epoch_seconds(study.epochs, study.trials).groupby("model")["seconds"].median()
    told = [f"{medians[name]:.2g} s with {name}" for name in summaries.MODELS if name in medians]
    return f"; an epoch takes {_listed(told)} (medians of trials)" if told else ""


def _applies(study: Loaded) -> bool:
    return not study.epochs.empty


PLOT = Plot("cost", "Where did the epochs and the seconds go?", draw, tell, _applies)
