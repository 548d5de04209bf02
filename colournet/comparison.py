"""What several runs can be compared by: their settings, their best epochs, their histories, and what stands in the way."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from colournet.config import TrainConfig
from colournet.errors import CheckpointError, ConfigError
from colournet.metrics import EpochMetrics
from colournet.together import NamedRun, check_same_images

NO_ROLE = ("device", "num_threads")
"""Settings that decide where a run computes, not what."""

_NOTHING = "-"


def check_comparable(runs: Sequence[NamedRun], *, curves: bool) -> list[str]:
    """Answer, as sentences, what limits a comparison of runs; `curves` asks for more than pictures do.

    Raises `ConfigError` where runs are about different images, and for curves also where they are validated on different
    images, or their losses are of different colour spaces or counted in palettes of different sizes.
    """
    check_same_images(runs, split="test")
    notes = []
    for check, consequence in (
        (_check_validation_images, "validation figures are of different images"),
        (_check_colour_spaces, "losses and accuracy are of different colour spaces"),
        (_check_palette_sizes, "cross-entropy and accuracy are counted in palettes of different sizes"),
    ):
        try:
            check(runs)
        except ConfigError as error:
            if curves:
                raise
            notes.append(f"{consequence}: {error.message}")
    if not notes and any(not _same_palette(runs[0], run) for run in runs[1:]):
        notes.append(
            "the palettes have the same size but not the same colours: compare by MSE rather than cross-entropy"
        )
    return notes


def table_rows(runs: Sequence[NamedRun]) -> list[tuple[str, ...]]:
    """Rows for a table with a column a run: the settings in which they differ, then the best epoch's figures."""
    rows = [(name, *map(_shown, values)) for name, values in differences([run.model.config for run in runs]).items()]
    bests = [_read_best(run) for run in runs]
    regressions = [run.model.config.is_regression for run in runs]
    losses = [
        None if is_regression else best.get("val_loss") for best, is_regression in zip(bests, regressions, strict=True)
    ]
    rows.append(("best epoch", *(_format(best.get("epoch"), "{}") for best in bests)))
    rows.append(("validation cross-entropy", *(_format(loss, "{:.4f}") for loss in losses)))
    rows.append(("validation accuracy", *(_format(best.get("val_accuracy"), "{:.1%}") for best in bests)))
    rows.append(("validation MSE", *(_format(best.get("val_mse"), "{:.5f}") for best in bests)))
    return rows


def differences(configs: Sequence[TrainConfig]) -> dict[str, list[Any]]:
    """The settings in which configs differ, each with its value in every config."""
    mappings = [config.to_mapping() for config in configs]
    names = dict.fromkeys(name for mapping in mappings for name in mapping if name not in NO_ROLE)
    found = {name: [mapping.get(name) for mapping in mappings] for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def read_history(run: NamedRun) -> tuple[EpochMetrics, ...]:
    """The epochs of a run. Raises `CheckpointError` if they are missing or damaged."""
    path = run.folder.history
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return tuple(EpochMetrics.from_mapping(_numbers(row)) for row in rows)
    except OSError as error:
        hint = "an imported network has no history: leave it out, or leave out --curves"
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}", hint=hint) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not a history of epochs: {error!r}") from error


def _check_validation_images(runs: Sequence[NamedRun]) -> None:
    check_same_images(runs, split="validation")


def _check_colour_spaces(runs: Sequence[NamedRun]) -> None:
    _check_equal(runs, "colour_space", hint="name runs of one colour space")


def _check_palette_sizes(runs: Sequence[NamedRun]) -> None:
    _check_equal(runs, "num_colours", hint="name runs with palettes of one size")


def _check_equal(runs: Sequence[NamedRun], setting: str, *, hint: str) -> None:
    first, *others = (getattr(run.model.config, setting) for run in runs)
    for run, other in zip(runs[1:], others, strict=True):
        if other != first:
            raise ConfigError(
                f"{setting} is {first} in {runs[0].name} and {other} in {run.name}",
                hint=f"{hint}, or leave out --curves and compare by MSE and --samples",
            )


def _same_palette(one: NamedRun, other: NamedRun) -> bool:
    return np.array_equal(one.model.palette, other.model.palette)


def _read_best(run: NamedRun) -> dict[str, Any]:
    """The best epoch as `metrics.json` has it; nothing for a network that was not trained here."""
    path: Path = run.folder.metrics
    try:
        best = json.loads(path.read_text(encoding="utf-8")).get("best")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path}: cannot be read: {error}") from error
    return best if isinstance(best, dict) else {}


def _numbers(row: dict[str, str]) -> dict[str, float | int]:
    return {name: int(text) if name == "epoch" else float(text) for name, text in row.items()}


def _shown(value: Any) -> str:
    if value is None or value == []:
        return _NOTHING
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _format(value: Any, pattern: str) -> str:
    return _NOTHING if value is None else pattern.format(value)
