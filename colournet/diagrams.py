"""Networks and filters as drawings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from colournet.layers import INPUT, Description, Filter, Layer
from colournet.tables import filter_name, square

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES_A_LAYER = 1.75
_BOX_WIDTH = 0.6
_TALLEST = 1.0
_DOWN, _KEEP, _UP, _IMAGE = "#9ecae1", "#c7c7c7", "#fdbe85", "#f2f2f2"
_SKIP = "#b03060"
_KEY = 'blue halves the image, orange doubles it; "sees" is the receptive field in pixels of the input'


def network_figure(description: Description, *, title: str) -> Figure:
    """Draw the layers in a row, as high as their outputs are large, with an arc for each skip connection."""
    layers = description.layers
    figure = Figure(figsize=(_INCHES_A_LAYER * (len(layers) + 1) + 0.4, 4.9), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-0.55, len(layers) + 0.55), ylim=(-1.2, 1.3))
    axes.axis("off")
    axes.set_title(title)
    tallest = max(description.image_size, *(layer.output_size for layer in layers))
    heights = [_height(size, tallest) for size in (description.image_size, *(layer.output_size for layer in layers))]
    _draw_box(axes, 0, heights[0], [square(description.image_size), "1 map"], _IMAGE, "grey image")
    size = description.image_size
    for place, layer in enumerate(layers, start=1):
        colour = _DOWN if layer.output_size < size else _UP if layer.output_size > size else _KEEP
        maps = f"{layer.filters} maps"
        _draw_box(axes, place, heights[place], [square(layer.output_size), maps], colour, _below(layer))
        _draw_arrow(axes, place - 1, place)
        size = layer.output_size
    _draw_skips(axes, layers, heights)
    axes.text(len(layers) / 2, -1.17, _KEY, ha="center", va="bottom", fontsize=8.5, color="0.35")
    return figure


def filters_figure(filters: Sequence[Filter]) -> Figure:
    """Draw the taps of filters on the square of pixels that each spans, all to one scale."""
    most = max(each.receptive_field for each in filters)
    figure = Figure(figsize=(max(2.6 * len(filters), 5), 3.5), layout="constrained")
    for axes, each in zip(figure.subplots(1, len(filters), squeeze=False)[0], filters, strict=True):
        side = each.receptive_field
        start = (most - side) / 2
        is_tap = np.arange(side) % each.dilation == 0
        edges = start + np.arange(side + 1)
        axes.pcolormesh(edges, edges, np.outer(is_tap, is_tap), cmap="Blues", vmin=0, vmax=1.4, edgecolors="0.6")
        axes.set(xlim=(-0.1, most + 0.1), ylim=(-0.1, most + 0.1), aspect="equal")
        axes.axis("off")
        name = filter_name(each.kernel_size, each.dilation)
        axes.set_title(f"{name}\n{each.weights} weights, sees {square(side)}", fontsize=10)
    return figure


def _height(size: int, tallest: int) -> float:
    return _TALLEST * (0.35 + 0.65 * math.log2(size + 1) / math.log2(tallest + 1))


def _below(layer: Layer) -> str:
    return (
        f"{layer.name}\n{filter_name(layer.kernel_size, layer.dilation)}\n"
        f"{layer.weights:,} weights\nsees {square(layer.receptive_field)}"
    )


def _draw_box(axes: Axes, place: int, height: float, lines: Sequence[str], colour: str, below: str) -> None:
    corner = (place - _BOX_WIDTH / 2, -height / 2)
    axes.add_patch(Rectangle(corner, _BOX_WIDTH, height, facecolor=colour, edgecolor="0.3"))
    axes.text(place, 0, "\n".join(lines), ha="center", va="center", fontsize=9)
    name, _, rest = below.partition("\n")
    axes.text(place, -0.62, name, ha="center", va="top", fontsize=9, fontweight="bold")
    axes.text(place, -0.73, rest, ha="center", va="top", fontsize=8.5, linespacing=1.35)


def _draw_arrow(axes: Axes, start: int, end: int) -> None:
    ends = (start + _BOX_WIDTH / 2, 0), (end - _BOX_WIDTH / 2, 0)
    axes.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=12, color="0.3", shrinkA=1, shrinkB=1))


def _draw_skips(axes: Axes, layers: Sequence[Layer], heights: Sequence[float]) -> None:
    """From each block that a later one sees although another stands between, over the boxes and down."""
    last = {INPUT: 0} | {layer.name.partition(".")[0]: place for place, layer in enumerate(layers, start=1)}
    last |= {layer.name: place for place, layer in enumerate(layers, start=1)}
    spans = {
        (last[source], place)
        for place, layer in enumerate(layers, start=1)
        for source in layer.sources
        if last.get(source, place) < place - 1
    }
    for start, end in sorted(spans):
        top = 0.62 + 0.6 * (end - start) / len(layers)
        points = [(start, heights[start] / 2), (start, top), (end - 0.12, top), (end - 0.12, heights[end] / 2)]
        axes.plot(*zip(*points[:3], strict=True), color=_SKIP, linewidth=1.5)
        axes.add_patch(FancyArrowPatch(*points[2:], arrowstyle="-|>", mutation_scale=12, color=_SKIP, shrinkA=0))
        axes.text((start + end) / 2, top + 0.015, "skip", color=_SKIP, ha="center", va="bottom", fontsize=8.5)
