"""All figures of a study: which there are, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from study.analysis import (
    architecture_figure,
    contours_figure,
    distribution_figure,
    epoch_figure,
    history_figure,
    importance_figure,
    parallel_figure,
    slices_figure,
    style,
)
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot

SECTIONS: Mapping[str, tuple[Plot, ...]] = {
    "Epochs": (epoch_figure.PLOT,),
    "Architecture": (architecture_figure.PLOT,),
    "The search": (
        history_figure.PLOT,
        importance_figure.PLOT,
        slices_figure.PLOT,
        contours_figure.PLOT,
        parallel_figure.PLOT,
        distribution_figure.PLOT,
    ),
}
"""The figures, in the order of the report, under its headings."""

ALL: tuple[Plot, ...] = tuple(plot for plots in SECTIONS.values() for plot in plots)


def write(study: Loaded, target: Path) -> list[Path]:
    """Draw every figure that the study can answer into the folder `target`, as PNG and SVG; the same study, the same bytes.

    Files of figures that do not apply are removed, since an earlier look at a study that went on may have left them.
    """
    target.mkdir(exist_ok=True)
    written: list[Path] = []
    with style.styled():
        for plot in ALL:
            if plot.applies(study):
                written += style.save(plot.draw(study), target / plot.name)
            else:
                style.remove(target / plot.name)
    return written
