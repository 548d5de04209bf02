"""The copy of the best trial that a study keeps ready for use. Standard library only."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from study.records import TrialRecord
from study.store import StudyFolder

_NOT_METRICS = ("event", "time", "trial", "attempt", "filled_in")


def publish(folder: StudyFolder, trial: TrialRecord) -> None:
    """Copy a completed trial's model, configuration and samples to `best/`, and say there whose they are."""
    assert trial.checkpoint is not None
    assert trial.best_epoch is not None
    source, target = folder.layout.trial(trial.number), folder.layout.best
    target.root.mkdir(exist_ok=True)
    _copy(folder.layout.root / trial.checkpoint, target.model)
    _copy(source.config, target.config)
    _copy(source.samples, target.samples)
    told = {
        "study": folder.name,
        "trial": trial.number,
        "objective": folder.manifest["objective"],
        "value": trial.value,
        "epoch": trial.best_epoch,
        "metrics": {name: value for name, value in trial.epochs[trial.best_epoch].items() if name not in _NOT_METRICS},
    }
    scratch = target.metrics.with_suffix(".part")
    scratch.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    os.replace(scratch, target.metrics)


def _copy(source: Path, target: Path) -> None:
    scratch = target.with_name(target.name + ".part")
    shutil.copyfile(source, scratch)
    os.replace(scratch, target)
