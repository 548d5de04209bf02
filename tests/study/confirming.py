"""Small searches and confirmations, made up, that the tests of `study confirm` share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from study.candidates import Confirmation, Run
from study.layout import confirmation_name
from study.store import RecordWriter, StudyFolder
from tests.study.helpers import PARAMS, SPACE, epoch, make_folder, session, started

FLOORS = {
    "grey_copy": {"mse": 0.025, "psnr_db": 16.0},
    "grey_table": {"cross_entropy": 1.5, "accuracy": 0.4, "mse": 0.02, "psnr_db": 17.0},
    "palette_ceiling": {"accuracy": 1.0, "mse": 0.002, "psnr_db": 27.0},
}

Scores = Callable[[str, int], tuple[float, float]]
"""From a candidate's name and the place of its seed to the losses on validation and on test images."""


def make_search(
    results: Path, values: Mapping[int, float] | None = None, *, space_text: str = SPACE, **params: Any
) -> StudyFolder:
    """A study of completed trials with these values, each with a learning rate of its own."""
    folder = make_folder(results, space_text=space_text)
    search(folder, values, **params)
    return folder


def search(folder: StudyFolder, values: Mapping[int, float] | None = None, **params: Any) -> None:
    """Record completed trials with these values in a study that has none yet."""
    with folder.write() as writer:
        writer.append("launched", **session())
        for number, value in (values or {0: 3.0, 1: 1.0, 2: 2.0}).items():
            settings = {**PARAMS, "learning_rate": 0.001 * (number + 2), **params}
            writer.append("asked", number, params=settings, seed=number)
            end(writer, number, value)
        writer.append("ended", reason="finished")


def end(writer: RecordWriter, number: int, value: float, **test: float | None) -> None:
    """Record a trial's only epoch and its completion."""
    writer.append("started", number, **started())
    writer.append("epoch", number, **epoch(1, value))
    writer.append("completed", number, attempt=1, value=value, epoch=1, checkpoint="x", **test)


def make_confirmation(study: StudyFolder, *, top: int = 2, seeds: int = 5, **manifest: Any) -> StudyFolder:
    """The folder of a confirmation that has not begun, as `confirm` makes it without data."""
    chosen = Confirmation.plan(study, study.read(), top=top, seeds=seeds)
    told = {
        **study.manifest,
        "trials": len(chosen.runs),
        "confirms": chosen.to_mapping(),
        "data": {"fingerprint": "0" * 64, "test_images": 300},
        "floors": {"8": FLOORS},
        "test_floors": {"8": FLOORS},
        **manifest,
    }
    for name in ("name", "created"):
        del told[name]
    name = confirmation_name(top, seeds)
    return StudyFolder.create(study.layout.confirmations, name, space_text=study.space.text, manifest=told)


def fill(folder: StudyFolder, scores: Scores, *, skip: Callable[[Run], bool] = lambda run: False) -> None:
    """Record the runs of a confirmation; those to be skipped diverge."""
    chosen = Confirmation.of(folder)
    with folder.write() as writer:
        writer.append("launched", **session(len(chosen.runs)))
        for run in chosen.runs:
            writer.append("asked", run.number, params=dict(run.candidate.params), seed=run.seed)
            if skip(run):
                writer.append("started", run.number, **started())
                writer.append("failed", run.number, attempt=1, reason="diverged", message="no number")
                continue
            value, test = scores(run.candidate.name, chosen.seeds.index(run.seed))
            end(writer, run.number, value, test_loss=test, test_accuracy=0.5, test_mse=0.01)
        writer.append("ended", reason="finished")
