"""Where the epochs and the workers' seconds went. Frame in, frame out; its epochs are those of `study.accounting`."""

from __future__ import annotations

import pandas as pd

from study.records import StudyRecord

FATES = ("completed", "pruned", "failed", "unfinished", "repeated")
"""What became of an epoch: its trial's end, or that a later attempt trained it once more."""


def filled_in_seconds(record: StudyRecord) -> dict[int, float]:
    """By trial, the seconds of the epochs that count which an attempt told of but an earlier one had trained."""
    return {
        trial.number: sum(event["seconds"] or 0.0 for event in trial.epochs.values() if event.get("filled_in"))
        for trial in record.trials.values()
    }


def by_model(trials: pd.DataFrame, attempts: pd.DataFrame, filled_in: dict[int, float]) -> pd.DataFrame:
    """Epochs and seconds by `model` and `fate`, in this order; what is nothing is left out."""
    once = trials[["number", "model", "epochs_trained", "seconds"]].set_index("number")
    fate = trials["state"].replace({"interrupted": "unfinished", "running": "unfinished"}).to_numpy()
    told = attempts.groupby("number")[["epochs_trained", "epochs_filled_in", "seconds"]].sum()
    told = told.reindex(once.index, fill_value=0)
    filled = pd.Series(filled_in, dtype="float64").reindex(once.index, fill_value=0.0)
    again = once.assign(
        epochs_trained=told["epochs_trained"] + told["epochs_filled_in"] - once["epochs_trained"],
        seconds=(told["seconds"] + filled - once["seconds"]).clip(lower=0.0),
    )
    both = pd.concat([once.assign(fate=fate), again.assign(fate="repeated")])
    both["fate"] = pd.Categorical(both["fate"], FATES)
    table = both.groupby(["model", "fate"], observed=True)[["epochs_trained", "seconds"]].sum()
    table = table.rename(columns={"epochs_trained": "epochs"}).reset_index()
    return table[table["epochs"] > 0].reset_index(drop=True)


def epoch_seconds(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """The median seconds an epoch of each trial that trained any: number, model, seconds."""
    seconds = epochs.groupby("number")["seconds"].median().dropna()
    return trials[["number", "model"]].merge(seconds, left_on="number", right_index=True)
