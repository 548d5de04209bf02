"""The folder of a standalone run: `config.toml`, `history.csv`, `metrics.json`, `model.safetensors`, two pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from colournet import checkpoints, files, pictures
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.errors import CheckpointError, ConfigError
from colournet.evaluation import colourize
from colournet.metrics import EpochMetrics
from colournet.mid_course import check_resumable
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.objective import Objective
from colournet.spaces import SPACES
from colournet.training import OnEpoch, TrainResult, train

_SAMPLES = 10


@dataclass(frozen=True)
class RunFolder:
    """Where each file of a run lies."""

    root: Path

    @property
    def config(self) -> Path:
        """The settings; `colournet train --config` repeats them."""
        return self.root / "config.toml"

    @property
    def history(self) -> Path:
        """One row an epoch, columns named as in `EpochMetrics`."""
        return self.root / "history.csv"

    @property
    def metrics(self) -> Path:
        """The best epoch and the number of epochs trained; of an imported network, which files it came from."""
        return self.root / "metrics.json"

    @property
    def model(self) -> Path:
        """The model after its best epoch."""
        return self.root / "model.safetensors"

    @property
    def samples(self) -> Path:
        """Validation images: grey, truth, and what the model makes of the grey."""
        return self.root / "samples.png"

    @property
    def curves(self) -> Path:
        """Loss and accuracy over epochs."""
        return self.root / "curves.png"

    @property
    def checkpoints(self) -> Path:
        """Folder of the last checkpoint, from which `colournet train --resume` goes on, and of the best model so far."""
        return self.root / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The checkpoint after the last epoch."""
        return self.checkpoints / LAST_CHECKPOINT

    @property
    def best_model(self) -> Path:
        """The model after the best epoch so far; it stays, for a resumed run whose later epochs are no better."""
        return self.checkpoints / BEST_MODEL

    def check(self, *, resume: bool) -> None:
        """Raise `CheckpointError` if there is no run to resume, `ConfigError` if there is one that is not to be resumed."""
        if resume and not self.config.exists():
            raise CheckpointError(f"{self.root}: holds no run to resume", hint="leave out --resume to start one")
        if resume and self.model.exists() and not self.last_checkpoint.exists():
            raise CheckpointError(
                f"{self.root}: holds a model but no checkpoint to go on from",
                hint="an imported network cannot be trained further; give another --out to train one like it",
            )
        if self.config.exists() and not resume:
            raise ConfigError(
                f"{self.root}: holds a run already", hint="give another --out, or --resume to train it further"
            )

    def make(self, *, to_train: bool = True) -> None:
        """Make the folder, and that of its checkpoints if it is there to train in. Raises `ConfigError` if that cannot be."""
        files.make_folder(self.root)
        if to_train:
            files.make_folder(self.checkpoints)


def train_run(
    config: TrainConfig,
    data: TrainingData,
    folder: RunFolder,
    *,
    resume: bool = False,
    on_epoch: OnEpoch | None = None,
    objective: Objective | None = None,
) -> TrainResult:
    """Train and leave a run folder; `resume` takes up the run that is there, finished or killed, for more epochs or not.

    Raises `CheckpointError` if there is no run to resume, or one of another config; `ConfigError` if there is one that is
    not to be resumed, or the folder cannot be made. Else as `train`.
    """
    folder.check(resume=resume)
    resume_from = folder.last_checkpoint if resume and folder.last_checkpoint.exists() else None
    if resume_from is not None:  # before anything is written
        check_resumable(config, *checkpoints.read_run(resume_from), source=resume_from)
    folder.make()
    files.write_text(folder.config, config.to_toml())
    result = train(
        config,
        data,
        on_epoch=on_epoch,
        resume_from=resume_from,
        checkpoint_dir=folder.checkpoints,
        objective=objective,
    )
    files.copy(folder.best_model, folder.model)
    files.write_text(folder.history, history_csv(result.history))
    files.write_text(folder.metrics, json.dumps(_summary(result), indent=2) + "\n")
    save_samples(folder.samples, checkpoints.load_model(folder.model), data.validation_images)
    pictures.save_curves(folder.curves, result.history, loss_name=_loss_name(config))
    return result


def save_samples(path: Path, model: Model, images: UInt8[np.ndarray, "n 3 h w"]) -> None:
    """Write a picture of the first images: the grey that the model sees, the truth, and its colouring."""
    chosen = images[:_SAMPLES]
    rows = {
        "grey input": pictures.grey_copy(chosen),
        "truth": chosen,
        model.config.model: colourize(model, chosen),
    }
    pictures.save_samples(path, rows)


def is_pictured(epoch: int) -> bool:
    """Whether a run leaves a picture after so many epochs: after 1, 5, 10, 25, 50, 100, 250, ..."""
    digits = str(epoch).rstrip("0")
    return digits in ("1", "5") or (digits == "25" and epoch >= 25)


def save_picture(path: Path, model: Model, images: UInt8[np.ndarray, "n 3 h w"]) -> None:
    """Write the colouring alone of the images of which `save_samples` shows grey and truth."""
    pictures.save_strip(path, colourize(model, images[:_SAMPLES]))


def history_csv(history: Sequence[EpochMetrics]) -> str:
    """The epochs as CSV text, one row each."""
    names = [field.name for field in fields(EpochMetrics)]
    return csv_text(names, ([getattr(metrics, name) for name in names] for metrics in history))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows under a header as CSV text."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _loss_name(config: TrainConfig) -> str:
    if not config.is_regression:
        return "cross-entropy (nats a pixel)"
    return f"mean squared error of {SPACES[config.colour_space].answer_words}"


def _summary(result: TrainResult) -> Mapping[str, Any]:
    return {"epochs_trained": len(result.history), "best": result.best.to_mapping()}
