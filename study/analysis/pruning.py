"""Which trials were pruned where, and what that saved. Frame in, frame out, nothing drawn."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from study.analysis import summaries

FATES = ("completed", "pruned", "failed", "interrupted", "running")


def survival(trials: pd.DataFrame) -> pd.DataFrame:
    """For each epoch that any trial trained: how many trained it, `alive`, and of these by what became of them (`FATES`).

    `pruned_here` were pruned right after it, and `share` is their part of `alive`.
    """
    trained, state = trials["epochs_trained"], trials["state"]
    epochs = range(1, int(trained.max()) + 1) if len(trials) else range(0)
    rows = []
    for epoch in epochs:
        reached = state[trained >= epoch].value_counts()
        here = int(((state == "pruned") & (trained == epoch)).sum())
        rows.append({"epoch": epoch, **{fate: int(reached.get(fate, 0)) for fate in FATES}, "pruned_here": here})
    table = pd.DataFrame(rows, columns=["epoch", *FATES, "pruned_here"])
    table.insert(1, "alive", table[list(FATES)].sum(axis=1).astype("int64"))
    return table.assign(share=table["pruned_here"] / table["alive"])


def rungs(trials: pd.DataFrame) -> pd.DataFrame:
    """The epochs after which trials were pruned: `epoch`, `alive`, `pruned_here` and `share`."""
    table = survival(trials)
    return table.loc[table["pruned_here"] > 0, ["epoch", "alive", "pruned_here", "share"]].reset_index(drop=True)


@dataclass(frozen=True)
class Saved:
    """What pruning saved."""

    epochs: int
    """That pruned trials had asked for and did not train."""
    share: float
    """Of all epochs that the study's trials asked for."""


def saved(trials: pd.DataFrame) -> Saved:
    """Compare with training every trial to its end; NaN of no trial."""
    stopped = trials[trials["state"] == "pruned"]
    epochs = int((stopped["epochs"] - stopped["epochs_trained"]).sum())
    asked = int(trials["epochs"].sum())
    return Saved(epochs, epochs / asked if asked else float("nan"))


def ahead(trials: pd.DataFrame, epochs: pd.DataFrame, *, metric: str, goal: str) -> list[int]:
    """The pruned trials that, when they were stopped, were better than the best completed trial had been by that epoch."""
    ranked, stopped = summaries.ranked(trials, goal=goal), summaries.pruned(trials)
    if ranked.empty or stopped.empty:
        return []
    winner = epochs[epochs["number"] == ranked["number"].iloc[0]].set_index("epoch")[metric].sort_index()
    course = winner.cummin() if goal == "minimize" else winner.cummax()
    # a trial that was stopped later than the best one trained is held against all that this reached
    then = course.reindex(range(1, int(stopped["epochs_trained"].max()) + 1)).ffill()
    rival = stopped["epochs_trained"].map(then)
    better = stopped["value"] < rival if goal == "minimize" else stopped["value"] > rival
    return [int(number) for number in stopped.loc[better, "number"]]
