"""When training was best, and how far the validation loss came to lie above the training loss. Frame in, frame out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from study.analysis import intervals, summaries
from study.analysis.intervals import Difference
from study.space import Space

BINS = 10
_MOST_EPOCHS = 30
_LEAST = 3
_HARDER = {
    "label_smoothing": 0.0,
    "flip_horizontal": False,
    "flip_vertical": False,
    "shift_horizontal_pixels": 0,
    "shift_vertical_pixels": 0,
    "extra_classes": "none",
}
"""Settings that make the training loss another number than the validation loss, with the value at which they do not."""


def best_epochs(trials: pd.DataFrame) -> pd.DataFrame:
    """When the completed trials were best: `low`, `high` of a bin, n, and `n_last` whose last epoch it was.

    One bin an epoch where all trained equally long and not for too many epochs; else tenths of the epochs that each trained, in
    per cent, the upper end included.
    """
    done = summaries.completed(trials)
    best, last = done["best_epoch"].to_numpy(dtype=float), done["epochs_trained"].to_numpy(dtype=float)
    is_last = best == last
    if len(done) and is_by_epoch(trials):
        ends = np.arange(last[0] + 1)
        places = best
    else:
        ends = np.linspace(0, 100, BINS + 1)
        places = 100 * best / last
    bins = np.ceil(places * (len(ends) - 1) / ends[-1] - 1e-9).astype(int) - 1
    count = len(ends) - 1
    return pd.DataFrame(
        {
            "low": ends[:-1],
            "high": ends[1:],
            "n": np.bincount(bins, minlength=count),
            "n_last": np.bincount(bins[is_last], minlength=count),
        }
    )


def is_by_epoch(trials: pd.DataFrame) -> bool:
    """Whether the completed trials trained equally long, and no longer than a bar an epoch can show."""
    lengths = summaries.completed(trials)["epochs_trained"]
    return lengths.nunique() == 1 and int(lengths.iloc[0]) <= _MOST_EPOCHS


def comparable(trials: pd.DataFrame, space: Space) -> pd.DataFrame:
    """The completed trials whose training and validation losses are the same kind of number.

    Those with label smoothing, augmentation or further classes are not; nor, beside others, are regressions, whose unit differs.
    """
    done = summaries.completed(trials)
    plain = pd.Series(True, index=done.index)
    for name, off in _HARDER.items():
        plain &= (done[name] == off).fillna(False).astype(bool) if name in done else _is_off(space.taken(name)[0], off)
    regression = done["model"] == "regression_cnn"
    return done[plain & ~regression] if regression.any() and not regression.all() else done[plain]


def _is_off(value: object, off: object) -> bool:
    return not value if off == "none" else value == off


def gaps(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Validation loss less training loss by model and epoch of the given trials: n, q1, median, q3."""
    shown = _with_gap(epochs, trials)
    grouped = shown.groupby(["model", "epoch"], observed=True)["gap"]
    table = {
        "n": grouped.size(),
        "q1": grouped.quantile(0.25),
        "median": grouped.median(),
        "q3": grouped.quantile(0.75),
    }
    return pd.DataFrame(table).reset_index()


@dataclass(frozen=True)
class Widening:
    """How the gap of the same trials changed from a quarter of their epochs to the last."""

    n: int
    early: float
    """Median gap after a quarter of the epochs that each trained, `late` after the last."""
    late: float
    change: Difference
    """Of the means, late less early, by pairs."""
    epochs: tuple[int, int] | None
    """Both epochs, where they are the same for all."""


def widening(epochs: pd.DataFrame, trials: pd.DataFrame) -> Widening | None:
    """Compare the gap early and late; None for fewer than three trials of two epochs or more."""
    shown = _with_gap(epochs, trials).merge(trials[["number", "epochs_trained"]], on="number")
    quarter = np.ceil(shown["epochs_trained"] / 4)
    early = shown[shown["epoch"] == quarter].set_index("number")
    late = shown[shown["epoch"] == shown["epochs_trained"]].set_index("number")
    both = early.join(late["gap"].rename("gap_late"), how="inner").query("epochs_trained > 1")
    if len(both) < _LEAST:
        return None
    ends = both[["epoch", "epochs_trained"]].drop_duplicates()
    return Widening(
        n=len(both),
        early=float(both["gap"].median()),
        late=float(both["gap_late"].median()),
        change=intervals.paired(both["gap_late"].tolist(), both["gap"].tolist()),
        epochs=(int(ends.iloc[0, 0]), int(ends.iloc[0, 1])) if len(ends) == 1 else None,
    )


def _with_gap(epochs: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    shown = epochs.merge(trials[["number", "model"]], on="number")
    return shown.assign(gap=shown["val_loss"] - shown["train_loss"]).dropna(subset=["gap"])
