"""What `colournet describe` does: a table of a network's layers, or of filters, and on demand a drawing of the same."""

from __future__ import annotations

from pathlib import Path

from colournet import diagrams, figures, layers, tables
from colournet.checkpoints import load_model
from colournet.config import TrainConfig
from colournet.runs import RunFolder


def read_config(run: Path) -> TrainConfig:
    """The settings of a run folder's model, or of a model file. Raises `CheckpointError` if there is none."""
    return load_model(RunFolder(run).model if run.is_dir() else run).config


def show_network(config: TrainConfig, *, form: str, figure: Path | None = None) -> str:
    """The layers of the network that `config` names as a table (`text` or `markdown`); drawn into the file `figure`."""
    description = layers.describe(config)
    if figure is not None:
        figures.save(diagrams.network_figure(description, title=tables.title(config)), figure)
    return tables.network_text(config, description, form=form)


def compare_filters(text: str, *, form: str, figure: Path | None = None) -> str:
    """Filters written as `3,5,3:2` as a table (`text` or `markdown`); drawn into the file `figure`."""
    filters = tables.parse_filters(text)
    if figure is not None:
        figures.save(diagrams.filters_figure(filters), figure)
    return tables.filters_text(filters, form=form)
