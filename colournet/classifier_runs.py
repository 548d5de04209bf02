"""The folder of a trained classifier: `classifier.toml`, `history.csv`, `metrics.json`, `classifier.safetensors`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from colournet import classifier, files
from colournet.classifier_config import ClassifierConfig
from colournet.classifier_training import ClassifierEpoch, Labelled, train_classifier
from colournet.errors import ConfigError
from colournet.runs import csv_text


@dataclass(frozen=True)
class ClassifierFolder:
    """Where each file of a classifier lies."""

    root: Path

    @property
    def config(self) -> Path:
        """The settings."""
        return self.root / "classifier.toml"

    @property
    def history(self) -> Path:
        """One row an epoch, columns named as in `ClassifierEpoch`."""
        return self.root / "history.csv"

    @property
    def metrics(self) -> Path:
        """The last epoch, and on how many images it rests."""
        return self.root / "metrics.json"

    @property
    def weights(self) -> Path:
        """The classifier after its last epoch; it is written last, so a folder that has it is whole."""
        return self.root / classifier.FILE

    def check(self) -> None:
        """Raise `ConfigError` if the folder holds a classifier or a run."""
        taken = next((path for path in (self.weights, self.root / "config.toml") if path.exists()), None)
        if taken is not None:
            raise ConfigError(f"{self.root}: holds {taken.name} already", hint="give another --out")


def train_classifier_run(
    config: ClassifierConfig,
    training: Labelled,
    validation: Labelled,
    folder: ClassifierFolder,
    *,
    on_epoch: Callable[[ClassifierEpoch], None] | None = None,
) -> ClassifierEpoch:
    """Train a classifier, leave its folder, and answer its last epoch.

    Raises as the folder's `check`, `ConfigError` if it cannot be made, and as `train_classifier`.
    """
    folder.check()
    files.make_folder(folder.root)
    trained, history = train_classifier(config, training, validation, on_epoch=on_epoch)
    last = dataclasses.asdict(history[-1])
    summary = {
        "train_images": len(training.images),
        "validation_images": len(validation.images),
        "seconds": sum(each.seconds for each in history),
        "last": last,
    }
    files.write_text(folder.config, config.to_toml())
    files.write_text(folder.history, csv_text(list(last), (dataclasses.astuple(each) for each in history)))
    files.write_text(folder.metrics, json.dumps(summary, indent=2) + "\n")
    classifier.save(folder.weights, trained)
    return history[-1]
