"""Training a recorded trial again, alone and without Ray, and comparing every epoch with the record."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from colournet import files
from colournet.config import TrainConfig
from colournet.data import DataBundle, prepare
from colournet.devices import choose_device
from colournet.metrics import EpochMetrics
from colournet.palette_name import PaletteName
from colournet.progress import epoch_progress
from colournet.runs import RunFolder, train_run
from colournet.waiting import waiting
from study import provenance
from study.errors import StudyError
from study.records import Event, TrialRecord
from study.store import StudyFolder
from study.text import table

COMPARED = ("train_loss", "val_loss", "val_accuracy", "val_mse")
"""The numbers of an epoch that the configuration decides; its seconds it does not."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of training a trial again."""

    trial: int
    outcome: Literal["identical", "within tolerance", "different"]
    """Identical: every compared number of every epoch, to the last bit."""
    epochs: int
    largest_difference: float
    """The largest difference of the objective in an epoch, relative to the recorded value."""
    tolerance: float
    reasons: tuple[str, ...]
    """What is not as it was when the trial was recorded and may explain a difference."""
    run: str
    """The folder of the standalone run."""
    text: str
    """All of it, for people."""

    @property
    def is_reproduced(self) -> bool:
        """Whether the numbers are those of the record, or near enough."""
        return self.outcome != "different"

    @property
    def hint(self) -> str | None:
        """What to look at first, where the numbers differ."""
        if self.reasons:
            return "not as it was: " + "; ".join(self.reasons)
        return "nothing in the environment explains it; was the record or the code changed?"


def reproduce(
    folder: StudyFolder, number: int | None = None, *, tolerance: float, data_dir: Path | None = None
) -> Verdict:
    """Train trial `number` (the best by default) for as many epochs as are recorded, and compare.

    Leaves a run folder below the study's `reproductions/`, replacing one of the same trial. Raises `StudyError` if there is
    nothing to compare with.
    """
    trial = _choose(folder, number)
    config = folder.space.config(trial.params, seed=trial.seed, form=trial.form)
    palettes = [PaletteName.parse(name) for name in folder.manifest["palettes"]]
    with waiting("reading the data"):
        bundle = prepare(config, data_dir=data_dir, palettes=palettes)
    run = _fresh_run(folder, trial)
    with epoch_progress(trial.last_epoch, label=f"trial {trial.number}, again") as show:

        def on_epoch(metrics: EpochMetrics) -> Literal["stop"] | None:
            show(metrics)
            return "stop" if metrics.epoch == trial.last_epoch else None

        result = train_run(config, bundle.for_run(config), run, on_epoch=on_epoch, objective=folder.objective)
    again = [metrics.to_mapping() for metrics in result.history]
    recorded = [trial.epochs[metrics["epoch"]] for metrics in again]
    verdict = _judge(
        trial, recorded, again, folder.objective.metric, tolerance, _reasons(folder, trial, config, bundle), run
    )
    told = {name: value for name, value in asdict(verdict).items() if name != "text"}
    files.write_text(run.root / "comparison.json", json.dumps(told, indent=2) + "\n")
    return verdict


def _choose(folder: StudyFolder, number: int | None) -> TrialRecord:
    record = folder.read()
    trial = folder.best(record) if number is None else record.trial(number)
    if trial is None:
        raise StudyError(f"{folder.name}: no trial is completed yet, so none is best", hint="name one with --trial")
    if trial.state == "failed" or not trial.epochs:
        raise StudyError(f"{folder.name}: trial {trial.number} is {trial.state}, there is nothing to compare with")
    return trial


def _fresh_run(folder: StudyFolder, trial: TrialRecord) -> RunFolder:
    """The run folder of a trial's reproduction, without what an earlier one left there."""
    root = folder.layout.reproductions / f"{trial.number:04d}"
    shutil.rmtree(root, ignore_errors=True)
    return RunFolder(root)


def _reasons(folder: StudyFolder, trial: TrialRecord, config: TrainConfig, bundle: DataBundle) -> tuple[str, ...]:
    reasons = provenance.differences(folder.manifest["provenance"], provenance.collect())
    device = str(choose_device(config.device))
    if device != trial.device:
        reasons.append(f"device was {trial.device}, is {device}")
    if trial.fused > 1:
        reasons.append(
            f"it was trained in a stack of {trial.fused}, whose sums differ in their last digits, and is alone now"
        )
    if bundle.fingerprint != folder.manifest["data"]["fingerprint"]:
        reasons.append("the images or palettes are not the same")
    return tuple(reasons)


def _judge(
    trial: TrialRecord,
    recorded: list[Event],
    again: list[dict[str, Any]],
    metric: str,
    tolerance: float,
    reasons: tuple[str, ...],
    run: RunFolder,
) -> Verdict:
    identical = all(old[name] == new[name] for old, new in zip(recorded, again, strict=True) for name in COMPARED)
    largest = max(_difference(old, new, metric) for old, new in zip(recorded, again, strict=True))
    outcome: Literal["identical", "within tolerance", "different"]
    outcome = "identical" if identical else "within tolerance" if largest <= tolerance else "different"
    rows = [
        [str(new["epoch"]), f"{old[metric]:.6f}", f"{new[metric]:.6f}", f"{new[metric] - old[metric]:+.1e}"]
        for old, new in zip(recorded, again, strict=True)
    ]
    lines = [
        table(["epoch", f"{metric}, recorded", "again", "difference"], rows, right=range(4)),
        "",
        f"trial {trial.number}: {outcome} over {len(again)} epochs"
        + ("" if identical else f"; largest difference of {metric} {largest:.2%}, tolerance {tolerance:.2%}"),
        *(f"  not as it was: {reason}" for reason in reasons if not identical),
        f"  run: {run.root}",
    ]
    return Verdict(
        trial=trial.number,
        outcome=outcome,
        epochs=len(again),
        largest_difference=largest,
        tolerance=tolerance,
        reasons=reasons,
        run=str(run.root),
        text="\n".join(lines),
    )


def _difference(old: Event, new: Mapping[str, Any], metric: str) -> float:
    return float(abs(new[metric] - old[metric]) / max(abs(old[metric]), 1e-12))
