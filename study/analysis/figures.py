"""All figures of a study: which there are, and their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from study.analysis import (
    architecture_cost_figure,
    architecture_figure,
    augmentation_figure,
    best_epoch_figure,
    budget_figure,
    configurations_figure,
    contours_figure,
    cost_figure,
    distribution_figure,
    epoch_figure,
    history_figure,
    importance_figure,
    occupancy_figure,
    parallel_figure,
    photographs_figure,
    pruning_figure,
    slices_figure,
    style,
)
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot

SECTIONS: Mapping[str, tuple[Plot, ...]] = {
    "Epochs": (epoch_figure.PLOT, budget_figure.PLOT, best_epoch_figure.PLOT, photographs_figure.BY_EPOCH),
    "Architecture": (
        architecture_figure.PLOT,
        configurations_figure.PLOT,
        architecture_cost_figure.PLOT,
        photographs_figure.BY_ARCHITECTURE,
    ),
    "Augmentation": (augmentation_figure.PLOT,),
    "The search": (
        history_figure.PLOT,
        importance_figure.PLOT,
        slices_figure.PLOT,
        contours_figure.PLOT,
        parallel_figure.PLOT,
        distribution_figure.PLOT,
        pruning_figure.PLOT,
    ),
    "Time and cost": (occupancy_figure.PLOT, cost_figure.PLOT),
}
"""The figures, in the order of the report, under its headings."""

ALL: tuple[Plot, ...] = tuple(plot for plots in SECTIONS.values() for plot in plots)


def write(study: Loaded, target: Path, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """Draw every figure that the study can answer into the folder `target`, as PNG and SVG; the same study, the same bytes.

    `tell` is called with what is being drawn. Files of figures that do not apply are removed, since an earlier look at a
    study that went on may have left them.
    """
    target.mkdir(exist_ok=True)
    written: list[Path] = []
    with style.styled():
        for place, plot in enumerate(ALL, start=1):
            if plot.applies(study):
                tell(f"drawing {plot.name} ({place} of {len(ALL)})")
                written += style.save(plot.draw(study), target / plot.name)
            else:
                style.remove(target / plot.name)
    return written
