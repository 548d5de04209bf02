"""`colournet train-classifier`, apart from the commands that colour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from colournet.classifier_config import ClassifierConfig
from colournet.options import DATA_DIR, options_of
from colournet.waiting import waiting


@click.command("train-classifier")
@options_of(ClassifierConfig)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="runs/classifier",
    show_default=True,
    help="Folder of the classifier, for `evaluate --classifier`.",
)
@DATA_DIR
def train_classifier(out: Path, data_dir: Path | None, **settings: Any) -> None:
    """Train the classifier of the ten classes that colourings can be measured by."""
    from colournet.classifier_runs import ClassifierFolder, train_classifier_run
    from colournet.classifier_training import read_labelled
    from colournet.progress import epoch_progress

    config = ClassifierConfig.from_mapping({name: value for name, value in settings.items() if value is not None})
    folder = ClassifierFolder(out)
    folder.check()
    with waiting("reading the data"):
        training, validation = read_labelled(config, data_dir=data_dir)
    with epoch_progress(config.epochs, label="training the classifier") as tell:
        last = train_classifier_run(config, training, validation, folder, on_epoch=tell)
    count = len(validation.images)
    click.echo(f"{out}: {last.val_accuracy:.1%} of {count:,} validation images told right after epoch {last.epoch}")
