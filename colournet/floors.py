"""The floors: what a colouring scores that needs no network. A network that is worse has learned nothing of use.

- *grey copy*: R, G and B are all the grey level.
- *grey table*: each of 64 grey levels has one histogram over the palette, counted on the training pixels; its
  cross-entropy and accuracy are the best that a pixel's own grey can give.
- *palette ceiling*: each pixel gets its nearest palette colour; no classification can be nearer to the truth (in the colour
  space of the palette).
- *palette ceiling, grey restored*: the same, moved along the grey axis to the pixel's own grey, which is known.

Colours of a palette of chroma are shown under the light of the pixel's own grey, as a network's are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int, UInt8

from colournet.metrics import json_number, psnr_db
from colournet.palette import decode, quantize
from colournet.palette_name import SQUARED_ERRORS
from colournet.spaces import SCALE, of_channels

LEVELS = 64


def measure(
    train_images: UInt8[np.ndarray, "m 3 h w"],
    images: UInt8[np.ndarray, "n 3 h w"],
    palette: Float32[np.ndarray, "k d"],
) -> dict[str, Any]:
    """Score every floor on `images`: `{floor: {"cross_entropy", "accuracy", "mse", "psnr_db"}}`, JSON-ready.

    Under a palette of chroma there is also `chroma_mse`, the squared error that a regression of chroma learns by. What is
    meaningless is left out; the PSNR of no error at all, which is infinite, is None.
    """
    space = of_channels(palette.shape[1])
    labels, levels = quantize(images, palette), _levels(images)
    table = fit_grey_table(train_images, palette)
    chosen = table.argmax(axis=1)[levels]
    likelihood = table[levels, labels]
    truth = space.target(torch.tensor(images)).numpy()

    def errors(answer: np.ndarray, colours: np.ndarray) -> dict[str, float | None]:
        own = ((colours / space.answer_unit - truth) ** 2).mean(dtype=np.float64)
        return {SQUARED_ERRORS[space.name]: float(own), **_errors(answer, images)}

    def errors_of(given: np.ndarray) -> dict[str, float | None]:
        return errors(decode(given, palette, grey=_grey(images)), palette[given].transpose(0, 3, 1, 2))

    copy = np.broadcast_to(images.mean(axis=1, keepdims=True), images.shape)
    return {
        "grey_copy": errors(copy, space.of_bytes(torch.tensor(_to_bytes(copy))).numpy()),
        "grey_table": {
            "cross_entropy": float(-np.log(likelihood).mean()),
            "accuracy": float((chosen == labels).mean()),
            **errors_of(chosen),
        },
        "palette_ceiling": {"accuracy": 1.0, **errors_of(labels)},
    }


def colourings(
    train_images: UInt8[np.ndarray, "m 3 h w"],
    images: UInt8[np.ndarray, "n 3 h w"],
    palette: Float32[np.ndarray, "k d"],
) -> dict[str, UInt8[np.ndarray, "n 3 h w"]]:
    """What each floor makes of `images`, in 8 bits: of the grey table the likeliest colour."""
    likeliest = fit_grey_table(train_images, palette).argmax(axis=1)
    grey = _grey(images)
    nearest = decode(quantize(images, palette), palette, grey=grey)
    restored = nearest - nearest.mean(axis=1, keepdims=True, dtype=np.float32) + grey[:, None]
    return {
        "grey_copy": _to_bytes(grey[:, None].repeat(3, axis=1)),
        "grey_table": decode(likeliest[_levels(images)], palette, grey=grey),
        "palette_ceiling": nearest,
        "palette_ceiling_grey_restored": _to_bytes(restored),
    }


def fit_grey_table(
    images: UInt8[np.ndarray, "n 3 h w"], palette: Float32[np.ndarray, "k d"]
) -> Float64[np.ndarray, "levels k"]:
    """Count, for each of 64 grey levels, how often each palette colour occurs: rows of probabilities, none zero.

    Every colour starts with a count of one (Laplace), so that a colour unseen at a level costs much, not all.
    """
    cells = _levels(images) * len(palette) + quantize(images, palette)
    counts = 1.0 + np.bincount(cells.ravel(), minlength=LEVELS * len(palette)).reshape(LEVELS, len(palette))
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _levels(images: UInt8[np.ndarray, "n 3 h w"]) -> Int[np.ndarray, "n h w"]:
    return np.asarray(images.sum(axis=1, dtype=np.int64) * LEVELS // (3 * SCALE))


def _grey(images: UInt8[np.ndarray, "n 3 h w"]) -> Float32[np.ndarray, "n h w"]:
    return np.asarray(images.mean(axis=1, dtype=np.float32))


def _to_bytes(values: Float[np.ndarray, "n 3 h w"]) -> UInt8[np.ndarray, "n 3 h w"]:
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _errors(answer: np.ndarray, truth: np.ndarray) -> dict[str, float | None]:
    mse = float((((answer.astype(np.float32) - truth) / SCALE) ** 2).mean(dtype=np.float64))
    return {"mse": mse, "psnr_db": json_number(psnr_db(mse))}
