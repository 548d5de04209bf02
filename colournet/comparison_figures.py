"""Several runs in one figure: their training curves, and what they make of the same images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from colournet.metrics import EpochMetrics
from colournet.palette_name import SQUARED_ERRORS
from colournet.spaces import SPACES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_IMAGE_INCHES = 1.05
_COLOURS = 10  # of matplotlib's cycle; more runs differ by their markers
_MARKERS = ("o", "s", "^", "D")
_PANELS = {
    "cross_entropy": ("Cross-entropy", "nats a pixel"),
    "chroma_mse": ("Squared error of chroma", f"MSE of a and b, in units of {SPACES['lab'].answer_unit:g}"),
    "accuracy": ("Validation accuracy", "pixels given their palette colour (%)"),
    "mse": ("Squared error of the colours", "MSE, colours in [0, 1)"),
}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The epochs of one run, and what its loss is."""

    name: str
    history: Sequence[EpochMetrics]
    is_regression: bool
    colour_space: str = "rgb"

    @property
    def loss(self) -> str:
        """The panel in which the loss stands."""
        return SQUARED_ERRORS[self.colour_space] if self.is_regression else "cross_entropy"


def curves_figure(curves: Sequence[Curve]) -> Figure:
    """Draw loss, accuracy and squared error over epochs; the loss of a regression of RGB is that squared error."""
    losses = {curve.loss for curve in curves}
    names = [name for name in _PANELS if name in losses or name in ("accuracy", "mse")]
    figure = Figure(figsize=(4.7 * len(names) + 0.4, 4.6), layout="constrained")
    panels = dict(zip(names, figure.subplots(1, len(names)), strict=True))
    for name, axes in panels.items():
        title, unit = _PANELS[name]
        axes.set(title=title, ylabel=unit)
    for index, curve in enumerate(curves):
        style = {
            "color": f"C{index % _COLOURS}",
            "marker": _MARKERS[index // _COLOURS % len(_MARKERS)],
            "markersize": 3,
        }
        _plot(panels[curve.loss], curve, lambda epoch: epoch.train_loss, {**style, "linestyle": "--", "alpha": 0.75})
        if curve.loss != "mse":
            _plot(panels[curve.loss], curve, lambda epoch: epoch.val_loss, style)
        _plot(panels["accuracy"], curve, lambda epoch: 100 * epoch.val_accuracy, style)
        _plot(panels["mse"], curve, lambda epoch: epoch.val_mse, style)
    for axes in panels.values():
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    _legend(figure, curves)
    return figure


def samples_figure(rows: Mapping[str, UInt8[np.ndarray, "n 3 h w"]], *, title: str) -> Figure:
    """Draw one named row of images for each entry, the same image in each column."""
    sets = list(rows.values())
    count = len(sets[0])
    longest = max(len(name) for name in rows)
    size = (count * _IMAGE_INCHES + 0.09 * longest + 0.4, len(rows) * _IMAGE_INCHES + 0.5)
    figure = Figure(figsize=(max(size[0], 0.1 * len(title) + 0.4), size[1]), layout="compressed")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)  # type: ignore[union-attr, call-arg]
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(len(rows), count, squeeze=False)
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    return figure


def _plot(axes: Axes, curve: Curve, value: Callable[[EpochMetrics], float], style: Mapping[str, object]) -> None:
    axes.plot([epoch.epoch for epoch in curve.history], [value(epoch) for epoch in curve.history], **style)  # type: ignore[arg-type]


def _legend(figure: Figure, curves: Sequence[Curve]) -> None:
    lines = [
        Line2D(
            [], [], color=f"C{index % _COLOURS}", marker=_MARKERS[index // _COLOURS % len(_MARKERS)], label=curve.name
        )
        for index, curve in enumerate(curves)
    ]
    lines.append(Line2D([], [], color="0.3", label="validation"))
    lines.append(Line2D([], [], color="0.3", linestyle="--", label="training"))
    figure.legend(handles=lines, loc="outside lower center", ncols=min(len(lines), 6), frameon=False)
