"""The floors: what a colouring scores that needs no network. A network that is worse has learned nothing of use.

- *grey copy*: R, G and B are all the grey level.
- *grey table*: each of 64 grey levels has one histogram over the palette, counted on the training pixels; its
  cross-entropy and accuracy are the best that a pixel's own grey can give.
- *palette ceiling*: each pixel gets its nearest palette colour; no classification can be nearer to the truth.
- *palette ceiling, grey restored*: the same, moved along the grey axis to the pixel's own grey, which is known.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int, UInt8

from colournet.metrics import json_number, psnr_db
from colournet.palette import SCALE, decode, quantize

LEVELS = 64


def measure(
    train_images: UInt8[np.ndarray, "m 3 h w"],
    images: UInt8[np.ndarray, "n 3 h w"],
    palette: Float32[np.ndarray, "k 3"],
) -> dict[str, Any]:
    """Score every floor on `images`: `{floor: {"cross_entropy", "accuracy", "mse", "psnr_db"}}`, JSON-ready.

    What is meaningless is left out; the PSNR of no error at all, which is infinite, is None.
    """
    labels, levels = quantize(images, palette), _levels(images)
    table = fit_grey_table(train_images, palette)
    chosen = table.argmax(axis=1).astype(np.uint8)[levels]
    likelihood = table[levels, labels]
    grey = np.broadcast_to(images.mean(axis=1, keepdims=True), images.shape)
    return {
        "grey_copy": _errors(grey, images),
        "grey_table": {
            "cross_entropy": float(-np.log(likelihood).mean()),
            "accuracy": float((chosen == labels).mean()),
            **_errors(decode(chosen, palette), images),
        },
        "palette_ceiling": {"accuracy": 1.0, **_errors(decode(labels, palette), images)},
    }


def colourings(
    train_images: UInt8[np.ndarray, "m 3 h w"],
    images: UInt8[np.ndarray, "n 3 h w"],
    palette: Float32[np.ndarray, "k 3"],
) -> dict[str, UInt8[np.ndarray, "n 3 h w"]]:
    """What each floor makes of `images`, in 8 bits: of the grey table the likeliest colour."""
    likeliest = fit_grey_table(train_images, palette).argmax(axis=1).astype(np.uint8)
    nearest = decode(quantize(images, palette), palette)
    grey = images.mean(axis=1, keepdims=True, dtype=np.float32)
    restored = nearest - nearest.mean(axis=1, keepdims=True, dtype=np.float32) + grey
    return {
        "grey_copy": _to_bytes(grey.repeat(3, axis=1)),
        "grey_table": decode(likeliest[_levels(images)], palette),
        "palette_ceiling": nearest,
        "palette_ceiling_grey_restored": _to_bytes(restored),
    }


def fit_grey_table(
    images: UInt8[np.ndarray, "n 3 h w"], palette: Float32[np.ndarray, "k 3"]
) -> Float64[np.ndarray, "levels k"]:
    """Count, for each of 64 grey levels, how often each palette colour occurs: rows of probabilities, none zero.

    Every colour starts with a count of one (Laplace), so that a colour unseen at a level costs much, not all.
    """
    cells = _levels(images) * len(palette) + quantize(images, palette)
    counts = 1.0 + np.bincount(cells.ravel(), minlength=LEVELS * len(palette)).reshape(LEVELS, len(palette))
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _levels(images: UInt8[np.ndarray, "n 3 h w"]) -> Int[np.ndarray, "n h w"]:
    return np.asarray(images.sum(axis=1, dtype=np.int64) * LEVELS // (3 * SCALE))


def _to_bytes(values: Float32[np.ndarray, "n 3 h w"]) -> UInt8[np.ndarray, "n 3 h w"]:
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _errors(answer: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    mse = float((((answer.astype(np.float32) - truth) / SCALE) ** 2).mean(dtype=np.float64))
    return {"mse": mse, "psnr_db": json_number(psnr_db(mse))}
