"""Pictures of a run: samples in rows, curves over epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from colournet import files
from colournet.metrics import EpochMetrics

_ZOOM = 3
_GAP_PIXELS = 4
_MARGIN_PIXELS = 112  # room for the names of the rows
_FONT_PIXELS = 16
_SWATCH_PIXELS = (92, 60)
_SWATCHES_IN_A_ROW = 8


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


def read_samples(path: Path, *, side: int = 32) -> list[UInt8[np.ndarray, "n 3 side side"]]:
    """The rows of images that `save_samples` wrote, without their names. Raises `OSError` for what is no such picture."""
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    step = side * _ZOOM + _GAP_PIXELS
    rows, columns = (pixels.shape[0] - _GAP_PIXELS) // step, (pixels.shape[1] - _MARGIN_PIXELS) // step
    if rows < 1 or columns < 1:
        raise OSError(f"{path}: holds no samples")
    tiles = pixels[_GAP_PIXELS : _GAP_PIXELS + rows * step, _MARGIN_PIXELS : _MARGIN_PIXELS + columns * step]
    tiles = tiles.reshape(rows, step, columns, step, 3)[
        :, : step - _GAP_PIXELS : _ZOOM, :, : step - _GAP_PIXELS : _ZOOM
    ]
    return list(np.ascontiguousarray(tiles.transpose(0, 2, 4, 1, 3)))


def save_strip(path: Path, images: UInt8[np.ndarray, "n 3 h w"]) -> None:
    """Write a PNG of images side by side, pixel by pixel."""
    _save(Image.fromarray(np.concatenate(list(images.transpose(0, 2, 3, 1)), axis=1)), path)


def read_strip(path: Path) -> UInt8[np.ndarray, "n 3 side side"]:
    """The square images that `save_strip` wrote. Raises `OSError` for what is no such picture."""
    with Image.open(path) as strip:
        pixels = np.asarray(strip.convert("RGB"))
    side, width = pixels.shape[:2]
    if width % side:
        raise OSError(f"{path}: holds no square images side by side")
    return np.ascontiguousarray(pixels.reshape(side, width // side, side, 3).transpose(1, 3, 0, 2))


def save_swatches(path: Path, bands: UInt8[np.ndarray, "k bands 3"], captions: Sequence[str], *, title: str) -> None:
    """Write a PNG of one swatch for each colour, in bands from top to bottom, with its caption of two lines below."""
    columns = _SWATCHES_IN_A_ROW if len(bands) <= _SWATCHES_IN_A_ROW**2 else 2 * _SWATCHES_IN_A_ROW
    width, height = _SWATCH_PIXELS
    step_x, step_y = width + 2 * _GAP_PIXELS, height + 3 * _FONT_PIXELS
    top, margin = 2 * _FONT_PIXELS, 2 * _GAP_PIXELS
    large, small = (ImageFont.load_default(size=size) for size in (_FONT_PIXELS, _FONT_PIXELS - 3))
    inner = max(columns * step_x, round(large.getlength(title)) + margin)
    sheet = Image.new("RGB", (inner + margin, top + -(-len(bands) // columns) * step_y), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((margin, _FONT_PIXELS // 2), title, fill="black", font=large)
    for number, (colours, caption) in enumerate(zip(bands, captions, strict=True)):
        x = margin + number % columns * step_x
        y = top + number // columns * step_y
        swatch = Image.fromarray(np.ascontiguousarray(colours[:, None]))
        sheet.paste(swatch.resize((width, height), Image.Resampling.NEAREST), (x, y))
        draw.rectangle((x, y, x + width - 1, y + height - 1), outline="darkgrey")
        draw.multiline_text((x, y + height + _GAP_PIXELS // 2), caption, fill="black", font=small, spacing=2)
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
    with files.replacing(path) as part:
        figure.savefig(part, format="png", dpi=120)


def _save(sheet: Image.Image, path: Path) -> None:
    with files.replacing(path) as part:
        sheet.save(part, format="PNG")
