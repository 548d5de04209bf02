"""What `colournet compare` does: a table of several runs, their curves in one figure, their samples in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from colournet import figures
from colournet.comparison import check_comparable, read_history, table_rows
from colournet.comparison_figures import Curve, curves_figure, samples_figure
from colournet.data import read_images
from colournet.errors import ConfigError
from colournet.evaluation import colourize
from colournet.pictures import grey_copy
from colournet.tables import table
from colournet.together import NamedRun, check_same_images, label, open_runs


@dataclass(frozen=True)
class Comparison:
    """What is to be told: a table, and sentences on what limits the comparison."""

    table: str
    notes: Sequence[str]


def compare_runs(
    paths: Sequence[Path],
    *,
    curves: Path | None = None,
    samples: Path | None = None,
    images: int = 8,
    split: str = "validation",
    data_dir: Path | None = None,
) -> Comparison:
    """Compare runs; draw their training curves into `curves`, and the first `images` of a split into `samples`.

    Raises `ConfigError` for runs that cannot be compared in what is asked for; as `open_runs`, `read_images`.
    """
    for path in (curves, samples):
        if path is not None:
            figures.check(path)
    runs = open_runs(paths)
    notes = check_comparable(runs, curves=curves is not None)
    if curves is not None:
        drawn = [
            Curve(
                name=label(run),
                history=read_history(run),
                is_regression=run.model.config.is_regression,
                colour_space=run.model.config.colour_space,
            )
            for run in runs
        ]
        figures.save(curves_figure(drawn), curves)
    if samples is not None:
        _draw_samples(runs, samples, count=images, split=split, data_dir=data_dir)
    headings = ("", *(label(run) for run in runs))
    return Comparison(table(headings, table_rows(runs), words=1, form="text"), notes)


def _draw_samples(runs: Sequence[NamedRun], path: Path, *, count: int, split: str, data_dir: Path | None) -> None:
    try:
        check_same_images(runs, split=split)
    except ConfigError as error:
        if split == "validation":  # the test images are the same, or the runs would have been refused before
            error.hint = "their test images are the same: --split test"
        raise
    config = runs[0].model.config
    chosen = read_images(config, split=split, data_dir=data_dir)[:count]
    rows = {"grey input": grey_copy(chosen), "truth": chosen}
    rows |= {label(run): colourize(run.model, chosen) for run in runs}
    figures.save(samples_figure(rows, title=f"{split} images of {config.dataset}, {config.category}"), path)
