"""The figures that the project claims are those of the runs that it keeps."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from colournet.config import TrainConfig

RUN = Path(__file__).parents[1] / "results" / "beats-the-table"


def test_the_best_network_beats_the_grey_table() -> None:
    """On the test images the kept run lies clearly below the floor in cross-entropy, and above it in accuracy."""
    scores = json.loads((RUN / "evaluation.json").read_text())
    table = scores["floors"]["grey_table"]

    assert scores["images"] == 1000
    assert scores["cross_entropy"] < min(0.82, table["cross_entropy"] - 0.05)
    assert scores["accuracy"] > max(0.66, table["accuracy"] + 0.02)


def test_it_was_selected_on_validation_images() -> None:
    """Its config holds the test images back, and its best epoch is the one of the lowest validation loss."""
    config = TrainConfig.from_toml(RUN / "config.toml")
    with (RUN / "history.csv").open() as file:
        losses = {int(row["epoch"]): float(row["val_loss"]) for row in csv.DictReader(file)}
    best = json.loads((RUN / "metrics.json").read_text())["best"]

    assert (config.dataset, config.category, config.protocol) == ("cifar10", "horse", "split")
    assert config.num_colours == 24
    assert len(losses) == config.epochs
    assert best["epoch"] == min(losses, key=losses.__getitem__)
    assert best["val_loss"] == losses[best["epoch"]]
