"""Pictures of a run: samples in rows, curves over epochs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from colournet.metrics import EpochMetrics

_ZOOM = 3
_GAP_PIXELS = 4
_MARGIN_PIXELS = 112  # room for the names of the rows
_FONT_PIXELS = 16


def save_samples(path: Path, rows: Mapping[str, UInt8[np.ndarray, "n 3 h w"]]) -> None:
    """Write a PNG with one named row of images for each entry of `rows`, the same image in each column."""
    sets = list(rows.values())
    count, _, height, width = sets[0].shape
    step_y, step_x = height * _ZOOM + _GAP_PIXELS, width * _ZOOM + _GAP_PIXELS
    sheet = Image.new("RGB", (_MARGIN_PIXELS + count * step_x, _GAP_PIXELS + len(sets) * step_y), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=_FONT_PIXELS)
    for row, (name, images) in enumerate(rows.items()):
        top = _GAP_PIXELS + row * step_y
        draw.text((_GAP_PIXELS * 2, top + (step_y - _FONT_PIXELS) // 2), name, fill="black", font=font)
        for column, image in enumerate(images):
            tile = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
            sheet.paste(
                tile.resize((width * _ZOOM, height * _ZOOM), Image.Resampling.NEAREST),
                (_MARGIN_PIXELS + column * step_x, top),
            )
    _save(sheet, path)


def grey_copy(images: UInt8[np.ndarray, "n 3 h w"]) -> UInt8[np.ndarray, "n 3 h w"]:
    """The mean of R, G and B in all three channels: what the network is shown."""
    level = images.mean(axis=1, keepdims=True).round().astype(np.uint8)
    return np.repeat(level, 3, axis=1)


def save_curves(path: Path, history: Sequence[EpochMetrics], *, loss_name: str) -> None:
    """Write a PNG of loss and accuracy over epochs."""
    from matplotlib.figure import Figure

    epochs = [metrics.epoch for metrics in history]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot(epochs, [metrics.train_loss for metrics in history], marker=".", label="training")
    loss.plot(epochs, [metrics.val_loss for metrics in history], marker=".", label="validation")
    loss.set(xlabel="epoch", ylabel=loss_name, title="Loss")
    loss.legend(frameon=False)
    accuracy.plot(epochs, [100 * metrics.val_accuracy for metrics in history], marker=".", color="C1")
    accuracy.set(xlabel="epoch", ylabel="pixels given their palette colour (%)", title="Validation accuracy")
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    scratch = path.with_name(path.name + ".part")
    figure.savefig(scratch, format="png", dpi=120)
    os.replace(scratch, path)


def _save(sheet: Image.Image, path: Path) -> None:
    scratch = path.with_name(path.name + ".part")
    sheet.save(scratch, format="PNG")
    os.replace(scratch, path)
