"""All figures of a study, drawn and written."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from study.analysis import architecture_figure, epoch_figure, history_figure, style
from study.analysis.measure import Measure

NAMES = ("epoch-impact", "architecture-comparison", "optimization-history")
"""The figures, in the order of the report."""


def write(trials: pd.DataFrame, epochs: pd.DataFrame, measure: Measure, target: Path) -> list[Path]:
    """Draw every figure into the folder `target`, as PNG and SVG; the same frames give the same bytes."""
    target.mkdir(exist_ok=True)
    with style.styled():
        drawn = (
            epoch_figure.draw(trials, epochs, measure),
            architecture_figure.draw(trials, measure),
            history_figure.draw(trials, measure),
        )
        return [path for name, figure in zip(NAMES, drawn, strict=True) for path in style.save(figure, target / name)]
