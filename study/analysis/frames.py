"""Tidy frames from a results folder, live or finished: one row a trial, one row a trial's epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from study.parameters import Parameter
from study.records import StudyRecord, TrialRecord
from study.space import Space
from study.store import StudyFolder
from study.text import format_value

_TIME = "datetime64[ms, UTC]"

TRIAL_DTYPES: Mapping[str, str] = {
    "number": "int64",
    "state": "string",
    "value": "float64",
    "best_epoch": "Int64",
    "epochs_trained": "int64",
    "parameters": "Int64",
    "seconds": "float64",
    "attempt": "int64",
    "train_loss": "float64",
    "val_loss": "float64",
    "val_accuracy": "float64",
    "val_mse": "float64",
    "seed": "int64",
    "device": "string",
    "host": "string",
    "asked": _TIME,
    "started": _TIME,
    "ended": _TIME,
    "reason": "string",
    "message": "string",
}
"""The columns of `trials` that every study has. `value` and the four scores are those of the best epoch; `epochs_trained`
counts the recorded epochs, `epochs` (below) is what was asked for; `parameters` is the number of trained weights;
`seconds` the time spent in the epochs that count."""

CONFIG_DTYPES: Mapping[str, str] = {
    "model": "string",
    "kernel_size": "Int64",
    "num_filters": "Int64",
    "dilation": "Int64",
    "colour_space": "string",
    "num_colours": "Int64",
    "palette": "string",
    "epochs": "Int64",
}
"""The columns of the configuration that every study has, whether they are searched or not; `palette` is called as in
the manifest: `24`, or `24-lab` for chroma."""

EPOCH_DTYPES: Mapping[str, str] = {
    "number": "int64",
    "epoch": "int64",
    "train_loss": "float64",
    "val_loss": "float64",
    "val_accuracy": "float64",
    "val_mse": "float64",
    "seconds": "float64",
    "images_per_second": "float64",
    "state": "string",
}
"""The columns of `epochs`; a loss that was not finite is NaN."""

_SCORES = ("train_loss", "val_loss", "val_accuracy", "val_mse")


def trials(folder: StudyFolder, record: StudyRecord | None = None) -> pd.DataFrame:
    """One row a trial, in order of their numbers: `TRIAL_DTYPES`, `CONFIG_DTYPES`, then every other searched field.

    A list (of classes) is written as `deer+dog`, an empty one as `none`. Reads the record unless it is given.
    """
    record = record or folder.read()
    space = folder.space
    dtypes = {**TRIAL_DTYPES, **CONFIG_DTYPES, **_searched_dtypes(space)}
    return _frame([_trial_row(space, trial) for trial in record.trials.values()], dtypes)


def epochs(folder: StudyFolder, record: StudyRecord | None = None) -> pd.DataFrame:
    """One row a trial and epoch, in order of both: `EPOCH_DTYPES`; `state` is the trial's. Reads the record likewise."""
    record = record or folder.read()
    rows = [
        {**trial.epochs[epoch], "number": trial.number, "state": trial.state}
        for trial in record.trials.values()
        for epoch in sorted(trial.epochs)
    ]
    return _frame(rows, EPOCH_DTYPES)


def searched(folder: StudyFolder) -> list[str]:
    """The columns of `trials` that the study searches, in the space's order."""
    return list(folder.space.search)


def _trial_row(space: Space, trial: TrialRecord) -> dict[str, Any]:
    best = {} if trial.best_epoch is None else trial.epochs[trial.best_epoch]
    config = space.config(trial.params, seed=trial.seed)
    return {
        **{name: _scalar(value) for name, value in config.to_mapping().items()},
        "palette": str(config.palette_name),
        **{name: getattr(trial, name, None) for name in TRIAL_DTYPES},
        **{name: best.get(name) for name in _SCORES},
        "epochs_trained": len(trial.epochs),
    }


def _searched_dtypes(space: Space) -> dict[str, str]:
    return {name: _dtype(parameter) for name, parameter in space.search.items() if name not in CONFIG_DTYPES}


def _dtype(parameter: Parameter) -> str:
    """The dtype that holds every value of a parameter, and its absence."""
    if parameter.kind != "choice":
        return "Int64" if parameter.kind == "int" else "float64"
    kinds = {type(choice) for choice in parameter.choices}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64"
    return "float64" if kinds <= {int, float} else "string"


def _scalar(value: Any) -> Any:
    return format_value(value) if isinstance(value, list) else value


def _frame(rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    columns: dict[str, pd.Series[Any]] = {}
    for name, dtype in dtypes.items():
        values = [row.get(name) for row in rows]
        # pandas parses text to times only through to_datetime
        parsed = pd.to_datetime(pd.Series(values, dtype="object"), utc=True) if dtype == _TIME else values
        columns[name] = pd.Series(parsed, dtype=dtype)
    return pd.DataFrame(columns)
