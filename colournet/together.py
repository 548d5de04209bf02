"""Several runs beside each other: what to call them, and whether they are about the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet.checkpoints import Model, load_model
from colournet.config import TrainConfig
from colournet.errors import ConfigError
from colournet.runs import RunFolder

SPLITS = ("test", "validation")


@dataclass(frozen=True)
class NamedRun:
    """A run's model under the name by which figures and tables call it."""

    name: str
    folder: RunFolder
    model: Model


def open_runs(paths: Sequence[Path]) -> list[NamedRun]:
    """Open run folders (or their model files); each is called by its folder's name, or by its path if that is not its own.

    Raises `CheckpointError` if one holds no model, `ConfigError` if one is named twice.
    """
    folders = [path if path.is_dir() else path.parent for path in paths]
    resolved = [path.resolve() for path in paths]
    for path, real in zip(paths, resolved, strict=True):
        if resolved.count(real) > 1:
            raise ConfigError(f"{path}: named twice", hint="name each run once")
    names = [folder.resolve().name for folder in folders]
    return [
        NamedRun(
            name=name if names.count(name) == 1 else str(path),
            folder=RunFolder(folder),
            model=load_model(RunFolder(path).model if path.is_dir() else path),
        )
        for path, folder, name in zip(paths, folders, names, strict=True)
    ]


def label(run: NamedRun) -> str:
    """The run's name with its model, where the name does not say that."""
    model = run.model.config.model
    return run.name if model in run.name else f"{run.name} ({model})"


def check_same_images(runs: Sequence[NamedRun], *, split: str) -> None:
    """Raise `ConfigError` unless the images of this split are the same for all runs."""
    wanted = _decides_images(runs[0].model.config, split)
    for run in runs[1:]:
        found = _decides_images(run.model.config, split)
        for setting in wanted:
            if wanted[setting] != found[setting]:
                raise ConfigError(
                    f"{runs[0].name} and {run.name} are about different {split} images: "
                    f"{setting} is {wanted[setting]!r} in the one, {found[setting]!r} in the other",
                    hint=f"name runs that were trained with the same {setting}",
                )


def _decides_images(config: TrainConfig, split: str) -> Mapping[str, Any]:
    """The settings that decide which images are in a split; a setting that has no say is left blank."""
    validation = split == "validation"
    return {
        "dataset": config.dataset,
        "category": config.category,
        "data_seed": config.data_seed if validation or config.dataset == "scenes" else None,
        "protocol": config.protocol if validation else None,
    }
