"""The figure `best-epoch`: when each trial was best, and how far it learned its training images by heart."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from study.analysis import findings, overfitting, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot, Words
from study.analysis.style import INK, MODELS, STATES

_PALE = "#9ec9e2"


def draw(study: Loaded) -> Figure:
    """The best epochs on the left, the gap between the losses on the right."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    moments(overfitting.best_epochs(study.trials), by_epoch=overfitting.is_by_epoch(study.trials), ax=left)
    trials = overfitting.comparable(study.trials, study.space)
    table = overfitting.gaps(study.epochs, trials)
    gap(table, len(trials), ax=right)
    style.put_legend(figure, _handles(table))
    return figure


def moments(table: pd.DataFrame, *, by_epoch: bool, ax: Axes) -> None:
    """How many trials were best when; those that were best at their last epoch are dark."""
    width = (table["high"] - table["low"]) * 0.86
    places = table["high"] if by_epoch else (table["low"] + table["high"]) / 2
    before = table["n"] - table["n_last"]
    ax.bar(places, before, width, color=_PALE)
    ax.bar(places, table["n_last"], width, bottom=before, color=STATES["completed"].colour)
    ax.yaxis.set_major_locator(style.whole_numbers())
    ax.set_ylim(0, max(1.08 * table["n"].max(), 1))
    if by_epoch:
        ax.xaxis.set_major_locator(style.whole_numbers())
        ax.set_xlim(0.4, float(table["high"].max()) + 0.6)
    ax.set_xlabel("best epoch" if by_epoch else "best epoch, in % of the epochs trained")
    ax.set_ylabel("completed trials")
    ax.set_title(f"When each trial was best, n = {int(table['n'].sum()):,} completed")


def gap(table: pd.DataFrame, trials: int, *, ax: Axes) -> None:
    """Median and quartiles of the gap after each epoch, one curve a model."""
    for model in (name for name in summaries.MODELS if (table["model"] == name).any()):
        shown = table[table["model"] == model].astype({"epoch": float})
        colour = MODELS[model].colour
        ax.fill_between(shown["epoch"], shown["q1"], shown["q3"], color=colour, alpha=0.18, linewidth=0)
        marker = MODELS[model].marker if len(shown) <= 30 else None
        ax.plot(shown["epoch"], shown["median"], color=colour, linewidth=2, marker=marker, markersize=4)
    ax.axhline(0, color=INK, linewidth=1)
    style.set_epoch_axis(ax, int(table["epoch"].max()) if len(table) else 1)
    ax.set_xlabel("epoch")
    unit = "squared error" if (table["model"] == "regression_cnn").any() else "nats per pixel"
    ax.set_ylabel(f"validation less training loss ({unit})")
    ax.set_title(f"The gap between both losses, n = {trials:,} completed")
    if table.empty:
        ax.set_yticks([])
        style.say_empty(ax, "no trial's losses can be compared:\nall were smoothed or augmented in training")


def _handles(table: pd.DataFrame) -> list[Artist]:
    bars: list[Artist] = [
        Patch(color=STATES["completed"].colour, label="best at its last epoch"),
        Patch(color=_PALE, label="best before its last epoch"),
    ]
    models = [name for name in summaries.MODELS if (table["model"] == name).any()]
    lines = [
        Line2D(
            [],
            [],
            color=MODELS[name].colour,
            marker=MODELS[name].marker,
            markersize=4,
            linewidth=2,
            label=f"{name}: median, quartiles",
        )
        for name in models
    ]
    return [*bars, *lines]


def tell(study: Loaded) -> Words:
    """How often the last epoch was the best, and whether the gap widened."""
    trials = overfitting.comparable(study.trials, study.space)
    done = summaries.completed(study.trials)
    course = _course(overfitting.widening(study.epochs, trials))
    answer = findings.last_epoch(study.trials).rstrip(".") or "No trial has completed"
    reading = (
        "Left: the best epoch of each completed trial. Right: validation loss less training loss after each epoch, median and "
        "quartiles, of the trials that trained so long. The training loss is a mean over an epoch in which the network still "
        "learns, the validation loss is of its end, so early gaps lie below zero."
    )
    left_out = len(done) - len(trials)
    if left_out:
        reading += (
            f" n = {left_out} trials are left out on the right: label smoothing, augmentation, further classes or another unit "
            "make their training loss a number of another kind."
        )
    return Words(
        f"{answer}{course}.", reading, f"Best epochs of completed trials, and the gap between losses. {answer}{course}."
    )


def _course(seen: overfitting.Widening | None) -> str:
    if seen is None:
        return ""
    early, late = (
        ("a quarter of the epochs", "the last") if seen.epochs is None else (f"epoch {place}" for place in seen.epochs)
    )
    change = f"{'widens' if seen.change.mean > 0 else 'narrows'}" if seen.change.is_clear else "does not clearly change"
    interval = f"mean change {seen.change.mean:+.2g}, 95 % interval {seen.change.low:.2g} to {seen.change.high:.2g}"
    return (
        f"; the gap between validation and training loss {change}, from a median of {seen.early:.2g} after {early} to "
        f"{seen.late:.2g} after {late} ({interval}, n = {seen.n})"
    )


def _applies(study: Loaded) -> bool:
    return bool((summaries.completed(study.trials)["epochs_trained"] > 1).any())


PLOT = Plot("best-epoch", "When was training best, and did it over-fit?", draw, tell, _applies)
