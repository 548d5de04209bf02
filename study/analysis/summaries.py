"""What the frames say in numbers: frame in, frame out, nothing drawn.

`goal` is `minimize` or `maximize` throughout. Only completed trials are ranked or averaged; a pruned trial saw fewer
epochs than it asked for, so it is counted beside them and never among them.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

MOST_BUDGETS = 8
"""Above so many different budgets, they are put into groups of about equal size."""

MODELS = ("regression_cnn", "cnn", "unet", "dilated_unet")
"""The networks from the plainest to the most elaborate, the order in which they are told."""

_MILESTONES = (1, 2, 5)
_MOST_TRIALS = 0.75


def completed(trials: pd.DataFrame) -> pd.DataFrame:
    """The completed trials, which are those that may be ranked."""
    return trials[(trials["state"] == "completed") & trials["value"].notna()]


def pruned(trials: pd.DataFrame) -> pd.DataFrame:
    """The pruned trials; `value` is the best that each had reached."""
    return trials[(trials["state"] == "pruned") & trials["value"].notna()]


def ranked(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """The completed trials from the best to the worst; of equals, the one with the lower number first."""
    return completed(trials).sort_values(["value", "number"], ascending=[goal == "minimize", True])


def history(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """The ended trials in the order in which they ended: number, state, value, `order` from 1, and `best`.

    `best` is the best value of the completed trials so far, NaN before the first.
    """
    ended = trials[trials["state"].isin(["completed", "pruned", "failed"])]
    ended = ended.sort_values(["ended", "number"])[["number", "state", "value"]].reset_index(drop=True)
    ended["order"] = range(1, len(ended) + 1)
    ranking = ended["value"].where(ended["state"] == "completed")
    ended["best"] = (ranking.cummin() if goal == "minimize" else ranking.cummax()).ffill()
    return ended


def envelope(epochs: pd.DataFrame, *, metric: str, goal: str) -> pd.DataFrame:
    """For each epoch, `best`: the best value that any trial, ended or not, had reached by then; `n` trials reached it."""
    grouped = epochs.dropna(subset=[metric]).groupby("epoch")[metric]
    best = grouped.min().cummin() if goal == "minimize" else grouped.max().cummax()
    return pd.DataFrame({"epoch": best.index, "n": grouped.size().to_numpy(), "best": best.to_numpy()})


def near_final(envelope: pd.DataFrame, *, tolerance: float = 0.01) -> int | None:
    """The first epoch at which an envelope is within a relative `tolerance` of its last value; None for an empty one."""
    if envelope.empty:
        return None
    final = float(envelope["best"].iloc[-1])
    near = envelope[(envelope["best"] - final).abs() <= tolerance * abs(final)]
    return int(near["epoch"].iloc[0])


def by_budget(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """Completed trials by epochs trained: `low` and `high` of the group, n, mean, std (NaN for n = 1), best.

    One group a budget, or `MOST_BUDGETS` groups at most of about equal size where there are more budgets than that.
    """
    done = completed(trials)
    budgets = done["epochs_trained"]
    many = budgets.nunique() > MOST_BUDGETS
    groups = pd.qcut(budgets, MOST_BUDGETS - 2, duplicates="drop", labels=False) if many else budgets
    grouped = done.groupby(groups.rename("group"))
    return grouped.agg(
        low=("epochs_trained", "min"),
        high=("epochs_trained", "max"),
        n=("value", "size"),
        mean=("value", "mean"),
        std=("value", "std"),
        best=("value", "min" if goal == "minimize" else "max"),
    ).reset_index(drop=True)


def quartiles_by_epoch(epochs: pd.DataFrame, *, metric: str, goal: str) -> pd.DataFrame:
    """Of the completed trials' best values so far: q1, median and q3 after each epoch.

    `n` counts the trials that trained so long; the others are left out of that row.
    """
    done = epochs[epochs["state"] == "completed"].dropna(subset=[metric]).sort_values(["number", "epoch"])
    by_trial = done.groupby("number")[metric]
    done = done.assign(best=by_trial.cummin() if goal == "minimize" else by_trial.cummax())
    best = done.groupby("epoch")["best"]
    quartiles = {"q1": best.quantile(0.25), "median": best.median(), "q3": best.quantile(0.75)}
    return pd.DataFrame({"n": best.size(), **quartiles}).rename_axis("epoch").reset_index()


def milestones(last: int) -> list[int]:
    """The epochs 1, 2, 5, 10, 20, 50, ... below `last`, and `last`."""
    found = [step * 10**power for power in range(len(str(last))) for step in _MILESTONES]
    return [*(epoch for epoch in found if epoch < last), last]


def common_epoch(epochs: pd.DataFrame) -> int:
    """The last epoch that at least three quarters of the trials with any epoch have reached; 0 where there is none."""
    reached = epochs.groupby("number")["epoch"].max()
    return int(reached.nlargest(math.ceil(_MOST_TRIALS * len(reached))).iloc[-1]) if len(reached) else 0


def best_by(epochs: pd.DataFrame, last: int, *, metric: str, goal: str) -> pd.Series[float]:
    """The best value after `last` epochs, by number, of the trials that trained so long, pruned ones too.

    An epoch without a value counts for nothing.
    """
    known = epochs.dropna(subset=[metric])
    reached = known.groupby("number")["epoch"].max()
    shown = known[known["number"].isin(reached[reached >= last].index) & (known["epoch"] <= last)]
    values = shown.groupby("number")[metric]
    return values.min() if goal == "minimize" else values.max()


def by_level(trials: pd.DataFrame, field: str, *, goal: str) -> pd.DataFrame:
    """For each value (`level`) of a field: n completed, n_pruned, best, median, q1 and q3 of the completed trials.

    A level without a completed trial has NaN. `dilation` counts for the dilated network alone, so that it is not
    confused with the model.
    """
    trials = comparable(trials, field)
    levels = pd.Index(levels_of(trials, field), name="level")
    values = completed(trials).groupby(field)["value"]
    table = pd.DataFrame(
        {
            "n": values.size(),
            "best": values.min() if goal == "minimize" else values.max(),
            "median": values.median(),
            "q1": values.quantile(0.25),
            "q3": values.quantile(0.75),
        }
    ).reindex(levels)
    table["n"] = table["n"].fillna(0).astype("int64")
    counts = pruned(trials).groupby(field).size().reindex(levels).fillna(0).astype("int64")
    table.insert(1, "n_pruned", counts)
    return table.reset_index()


def levels_of(trials: pd.DataFrame, field: str) -> list[Any]:
    """The values of a field in order, the one that does nothing (off, 0, no classes) first."""
    return sorted(trials[field].dropna().unique().tolist(), key=_level_order)


def comparable(trials: pd.DataFrame, field: str) -> pd.DataFrame:
    """The trials whose `field` says something: for `dilation` those of the dilated network, else all."""
    return trials[trials["model"] == "dilated_unet"] if field == "dilation" else trials


def varying(trials: pd.DataFrame, fields: list[str]) -> list[str]:
    """Those of the fields that have two values or more among the trials that have an objective value."""
    scored = trials[trials["value"].notna() & trials["state"].isin(["completed", "pruned"])]
    return [field for field in fields if comparable(scored, field)[field].nunique() > 1]


def by_model(trials: pd.DataFrame, *, goal: str) -> pd.DataFrame:
    """One row a model: n (completed), n_pruned, n_failed, and the row of its best completed trial, NA where none is."""
    best = ranked(trials, goal=goal).drop_duplicates("model").set_index("model")
    kept = ["number", "value", "best_epoch", "epochs_trained", "parameters", "palette"]
    scores = ["val_loss", "val_accuracy", "val_mse"]
    states = trials.groupby(["model", "state"]).size().unstack(fill_value=0)
    counts = states.reindex(columns=["completed", "pruned", "failed"], fill_value=0).astype("int64")
    table = counts.set_axis(["n", "n_pruned", "n_failed"], axis=1).join(best[kept + scores], how="left")
    for name in ("number", "epochs_trained"):
        table[name] = table[name].astype("Int64")
    return table.rename_axis("model").reset_index().sort_values("model", key=_models_order, ignore_index=True)


def _level_order(level: Any) -> Any:
    if level == "none":
        return ""
    return MODELS.index(level) if level in MODELS else level


def _models_order(models: pd.Series[Any]) -> pd.Series[Any]:
    return models.map(_level_order)
