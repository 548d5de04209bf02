"""Block outputs as pictures: one map a filter, one scale a block, one column a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, UInt8
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.gridspec import GridSpec

_MOST_COLUMNS = 16
_TILE_INCHES = 0.44
_LEAST_INCHES = 4.4
_TITLE_INCHES = 0.42
_IMAGE_INCHES = 1.5
_GAP = 0.125  # between maps, of a map's side


@dataclass(frozen=True, kw_only=True)
class Column:
    """One run: its name, what it made of the image, and what its blocks answered."""

    name: str
    prediction: UInt8[np.ndarray, "3 h w"]
    blocks: Mapping[str, Float32[np.ndarray, "_ _ _"]]
    colours: Float32[np.ndarray, "k 3"] | None
    """The colour that each map of the last block stands for; None where they are the numbers of one colour."""


def activations_figure(
    columns: Sequence[Column],
    *,
    grey: UInt8[np.ndarray, "3 h w"],
    truth: UInt8[np.ndarray, "3 h w"],
    title: str,
) -> Figure:
    """Draw the image, and under it the block outputs of each run beside those of the others."""
    names = list(dict.fromkeys(name for column in columns for name in column.blocks))
    counts = {name: max(len(column.blocks.get(name, ())) for column in columns) for name in names}
    across = min(_MOST_COLUMNS, max(counts.values()))
    tile = max(_TILE_INCHES, _LEAST_INCHES / across)
    heights = [_IMAGE_INCHES] + [math.ceil(counts[name] / across) * tile for name in names]
    figure = Figure(
        figsize=((across * tile + 0.8) * len(columns), sum(heights) + _TITLE_INCHES * (len(heights) + 2)),
        layout="constrained",
    )
    figure.suptitle(title)
    grid = figure.add_gridspec(len(heights), len(columns), height_ratios=[height + _TITLE_INCHES for height in heights])
    for place, column in enumerate(columns):
        pictures = {"grey input": grey, "truth": truth, "prediction": column.prediction}
        _draw_pictures(figure, grid, place, pictures, name=column.name)
        for row, name in enumerate(names, start=1):
            if name in column.blocks:
                is_last = name == names[-1]
                axes = figure.add_subplot(grid[row, place])
                _draw_maps(axes, name, column.blocks[name], across=across, colours=column.colours if is_last else None)
    return figure


def montage(maps: Float32[np.ndarray, "c h w"], *, across: int) -> Float32[np.ndarray, "rows columns"]:
    """Lay maps out in rows of `across`; NaN between them and where the last row has none."""
    count, height, width = maps.shape
    gap_y, gap_x = gaps(height, width)
    down = math.ceil(count / across)
    sheet = np.full((down * (height + gap_y) + gap_y, across * (width + gap_x) + gap_x), np.nan, dtype=np.float32)
    for index, each in enumerate(maps):
        top = gap_y + index // across * (height + gap_y)
        left = gap_x + index % across * (width + gap_x)
        sheet[top : top + height, left : left + width] = each
    return sheet


def gaps(height: int, width: int) -> tuple[int, int]:
    """Pixels between two maps, vertically and horizontally."""
    return max(1, round(height * _GAP)), max(1, round(width * _GAP))


def _draw_pictures(
    figure: Figure, grid: GridSpec, place: int, pictures: Mapping[str, UInt8[np.ndarray, "3 h w"]], *, name: str
) -> None:
    frame = figure.add_subplot(grid[0, place])
    frame.axis("off")
    frame.set_title(name, fontweight="bold")
    for index, (label, picture) in enumerate(pictures.items()):
        axes = frame.inset_axes((index / 3 + 0.02, 0, 0.29, 0.86))
        axes.imshow(picture.transpose(1, 2, 0), interpolation="nearest")
        axes.set_title(label, fontsize=9, pad=3)
        axes.axis("off")


def _draw_maps(
    axes: Axes,
    name: str,
    maps: Float32[np.ndarray, "c h w"],
    *,
    across: int,
    colours: Float32[np.ndarray, "k 3"] | None,
) -> None:
    """Draw the maps of a block to one scale; where each stands for a colour, in a frame of that colour."""
    finite = maps[np.isfinite(maps)]
    high = float(np.abs(finite).max(initial=0)) or 1.0
    is_signed = bool((finite < 0).any())
    drawn = axes.imshow(
        montage(maps, across=across),
        cmap="PuOr" if is_signed else "viridis",
        vmin=-high if is_signed else 0,
        vmax=high,
        interpolation="nearest",
    )
    count, height, width = maps.shape
    title = _block_title(name, maps, is_signed=is_signed)
    axes.set_title(title, fontsize=9, loc="left", pad=3)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    ticks = [-high, 0, high] if is_signed else [0, high / 2, high]
    bar = axes.figure.colorbar(drawn, ax=axes, pad=0.01, aspect=12, ticks=ticks, format="%.2g")
    bar.ax.tick_params(labelsize=8)
    if colours is not None and len(colours) == count:
        axes.set_title(f"{title}, each in the colour it votes for", fontsize=9, loc="left", pad=3)
        _frame(axes, colours, across=across, height=height, width=width)


def _block_title(name: str, maps: Float32[np.ndarray, "c h w"], *, is_signed: bool) -> str:
    count, height, width = maps.shape
    silent = 0 if is_signed else int((maps.reshape(count, -1).max(axis=1) <= 0).sum())
    return f"{name}: {count} maps of {width} x {height}" + (f", {silent} of them 0 everywhere" if silent else "")


def _frame(axes: Axes, colours: Float32[np.ndarray, "k 3"], *, across: int, height: int, width: int) -> None:
    gap_y, gap_x = gaps(height, width)
    for index, colour in enumerate(colours):
        top = gap_y + index // across * (height + gap_y) - 0.5
        left = gap_x + index % across * (width + gap_x) - 0.5
        axes.add_patch(
            Rectangle((left, top), width, height, fill=False, edgecolor=tuple(colour.tolist()), linewidth=2.5)
        )
