"""The figure `pruning-timeline`: how long each trial trained, and after which epochs trials were pruned."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from study.analysis import pruning, style, summaries
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot, Words
from study.analysis.style import GREY, INK, STATES

_MOST_BARS = 100
_LEAST_GAP = 0.08  # of the panel's width, between two counts
_PRUNED = "#b4b4b4"


def draw(study: Loaded) -> Figure:
    """A bar a trial, or of many the number that were still training; beside it the share pruned after each epoch."""
    trials = study.trials
    few = len(trials) <= _MOST_BARS
    height = min(max(4.2, 1.8 + 0.085 * len(trials)), 9.0) if few else 4.6
    figure = Figure(figsize=(10, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    table = pruning.survival(trials)
    if few:
        bars(trials, ax=left)
    else:
        alive(table, len(trials), ax=left)
    shares(table, ax=right)
    style.put_legend(figure, _handles(trials, few=few))
    return figure


def bars(trials: pd.DataFrame, *, ax: Axes) -> None:
    """One bar a trial from 0 to the epochs that it trained, its unspent epochs as a thin line, rungs as dashed lines."""
    ax.hlines(trials["number"], trials["epochs_trained"], trials["epochs"], color="#d4d4d4", linewidth=0.8, zorder=1)
    for state in STATES:
        group = trials[trials["state"] == state]
        ax.barh(group["number"], group["epochs_trained"], height=0.78, color=_colour(state), zorder=2)
        if state in ("failed", "interrupted", "running"):
            ends = group["epochs_trained"].clip(lower=0.1)
            ax.scatter(ends, group["number"], 22, marker=STATES[state].marker, color=STATES[state].colour, zorder=4)
    for epoch in pruning.rungs(trials)["epoch"]:
        ax.axvline(epoch, color=INK, linewidth=0.8, linestyle=(0, (2, 3)), zorder=3)
    ax.grid(visible=False)
    ax.set_xlim(0, 1.02 * max(float(trials["epochs"].max()) if len(trials) else 1.0, 1.0))
    ax.xaxis.set_major_locator(style.whole_numbers())
    ax.set_xlabel("epoch")
    ax.set_ylim(len(trials) - 0.4, -0.6)
    ax.yaxis.set_major_locator(style.whole_numbers())
    ax.set_ylabel("trial")
    ax.set_title(f"Epochs that each trial trained, n = {len(trials):,}")
    if trials.empty:
        style.say_empty(ax, "no trial has been asked yet")


def alive(table: pd.DataFrame, trials: int, *, ax: Axes) -> None:
    """How many trials trained each epoch, stacked by what became of them."""
    bottom = pd.Series(0.0, index=table.index)
    for fate in pruning.FATES:
        ax.bar(table["epoch"], table[fate], 1.0, bottom=bottom, color=_colour(fate), linewidth=0)
        bottom += table[fate]
    style.set_epoch_axis(ax, _last(table))
    ax.set_xlabel("epoch")
    ax.set_ylim(0, 1.04 * max(float(bottom.max()), 1.0))
    ax.set_ylabel("trials that trained this epoch")
    ax.set_title(f"Trials still training, n = {trials:,}")


def shares(table: pd.DataFrame, *, ax: Axes) -> None:
    """Which share of the trials that trained an epoch was pruned after it, with both counts where there is room."""
    rungs = table[table["pruned_here"] > 0]
    ax.vlines(rungs["epoch"], 0, 100 * rungs["share"], color=GREY, linewidth=1.6)
    ax.scatter(rungs["epoch"], 100 * rungs["share"], 34, facecolor="white", edgecolor=GREY, linewidth=1.6, zorder=3)
    style.set_epoch_axis(ax, _last(table))
    ax.set_xlabel("epoch")
    _counts(rungs, ax=ax)
    ax.set_ylim(0, max(118 * float(rungs["share"].max()) + 6, 10) if len(rungs) else 100)
    ax.set_ylabel("pruned, % of the trials that trained the epoch")
    ax.set_title(f"Pruned after each epoch, n = {int(rungs['pruned_here'].sum()):,}")


def _counts(rungs: pd.DataFrame, *, ax: Axes) -> None:
    """Both counts above each share; one too near its neighbour is left out."""
    last = -1.0
    for row in rungs.to_dict("records"):
        epoch, height = float(row["epoch"]), 100 * row["share"]
        place = float(ax.transAxes.inverted().transform(ax.transData.transform((epoch, 0)))[0])
        if place - last >= _LEAST_GAP:
            text = f"{row['pruned_here']:,} of\n{row['alive']:,}"
            ax.annotate(text, (epoch, height), (0, 7), textcoords="offset points", ha="center", fontsize=7.5, color=INK)
            last = place


def _last(table: pd.DataFrame) -> int:
    return int(table["epoch"].max()) if len(table) else 1


def _colour(state: str) -> str:
    return _PRUNED if state == "pruned" else STATES[state].colour


def _handles(trials: pd.DataFrame, *, few: bool) -> list[Patch]:
    """A patch for each state that occurs."""
    present = [state for state in pruning.FATES if (trials["state"] == state).any()]
    patches = [Patch(color=_colour(state), label=state) for state in present]
    return [*patches, Patch(color="#d4d4d4", label="asked for, not trained")] if few else patches


def tell(study: Loaded) -> Words:
    """How many were pruned after which epochs, what that saved, and whether they had been ahead."""
    trials, measure = study.trials, study.measure
    answer = _answer(trials, pruning.ahead(trials, study.epochs, metric=measure.metric, goal=measure.goal))
    if len(trials) <= _MOST_BARS:
        left = "Left: a bar a trial to the last epoch that it trained; dashed lines are epochs after which trials were pruned."
    else:
        left = "Left: how many trials trained each epoch, by what became of them in the end."
    reading = (
        f"{left} Right: of the trials that trained an epoch, the share that was pruned after it. Being ahead is judged at equal "
        "epochs: a pruned trial's best value against the best that the eventually best trial had by then."
    )
    return Words(answer, reading, f"How long trials trained, by their end. {answer}")


def _answer(trials: pd.DataFrame, ahead: list[int]) -> str:
    stopped, saved = len(summaries.pruned(trials)), pruning.saved(trials)
    if not stopped:
        return f"None of n = {len(trials)} trials was pruned."
    were = "trials was" if stopped == 1 else "trials were"
    return (
        f"{stopped} of n = {len(trials)} {were} pruned, {_where(pruning.rungs(trials))}, which saved {saved.epochs:,} epochs, "
        f"{100 * saved.share:.0f} % of those that all would have trained; {_leaders(ahead, trials)}."
    )


def _where(rungs: pd.DataFrame) -> str:
    if len(rungs) == 1:
        return f"all after epoch {rungs['epoch'].iloc[0]}"
    if len(rungs) <= 4:
        told = [
            f"{count} after epoch {epoch}" for epoch, count in zip(rungs["epoch"], rungs["pruned_here"], strict=True)
        ]
        return " and ".join([", ".join(told[:-1]), told[-1]])
    ends = np.repeat(rungs["epoch"].to_numpy(), rungs["pruned_here"].to_numpy())
    return f"after epochs {ends.min()} to {ends.max()} (median {np.median(ends):.0f})"


def _leaders(numbers: list[int], trials: pd.DataFrame) -> str:
    """Which of the pruned had been ahead of the eventually best trial."""
    if summaries.completed(trials).empty:
        return "no trial completed to compare them with"
    if not numbers:
        return "none of them was ahead of the eventually best trial when it was stopped"
    if len(numbers) == 1:
        return f"one of them, trial {numbers[0]}, was ahead of the eventually best trial when it was stopped"
    return f"{len(numbers)} of them were ahead of the eventually best trial when they were stopped"


def _applies(study: Loaded) -> bool:
    return not summaries.pruned(study.trials).empty


PLOT = Plot("pruning-timeline", "Which trial was stopped where?", draw, tell, _applies)
