"""The copy of the best trial that a study keeps ready for use. Standard library only."""

from __future__ import annotations

import json
from typing import Any

from colournet import files
from study.errors import LaunchError
from study.records import TrialRecord
from study.store import StudyFolder

_NOT_METRICS = ("event", "time", "trial", "attempt", "filled_in")


def refresh(folder: StudyFolder, trial: TrialRecord | None) -> None:
    """Make `best/` that of the best trial, if there is one, it is not, and that trial's model was kept.

    `metrics.json` is taken away first and comes back last, so where it is, the other files belong to the trial that it
    names. Raises `LaunchError` if the trial's files are not where the driver can read them.
    """
    model = None if trial is None else folder.model(trial)
    if trial is None or model is None or published(folder) == trial.number:
        return
    source, target = folder.layout.trial(trial.number), folder.layout.best
    target.root.mkdir(exist_ok=True)
    target.metrics.unlink(missing_ok=True)
    try:
        files.copy(model, target.model)
        files.copy(source.config, target.config)
        files.copy(source.samples, target.samples)
    except FileNotFoundError as error:
        raise LaunchError(
            f"{error.filename}: the best trial's worker left no such file here",
            hint="the results folder must be on storage that all nodes share; put --results there",
        ) from error
    files.write_text(target.metrics, json.dumps(_told(folder, trial), indent=2) + "\n")


def _told(folder: StudyFolder, trial: TrialRecord) -> dict[str, Any]:
    assert trial.best_epoch is not None
    epoch = trial.epochs[trial.best_epoch]
    return {
        "study": folder.name,
        "trial": trial.number,
        "objective": folder.manifest["objective"],
        "value": trial.value,
        "epoch": trial.best_epoch,
        "metrics": {name: value for name, value in epoch.items() if name not in _NOT_METRICS},
    }


def published(folder: StudyFolder) -> int | None:
    """The trial whose files `best/` holds, or None if it holds none, or not all."""
    try:
        return int(json.loads(folder.layout.best.metrics.read_bytes())["trial"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
