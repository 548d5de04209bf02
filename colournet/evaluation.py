"""How well a network colours: its scores on a set of images, and what it makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from colournet import floors, palette, scores
from colournet.batches import ImageSet, as_tensor, colours, grey
from colournet.checkpoints import Model
from colournet.decoding import METHODS, decode, restore_grey
from colournet.metrics import json_number, psnr_db
from colournet.palette import SCALE

_BATCH_IMAGES = 100


@dataclass(frozen=True)
class Scores:
    """Means over all pixels of a set of images."""

    loss: float
    """Cross-entropy in nats a pixel; for a regression the squared error."""
    accuracy: float
    """Fraction of pixels given their palette colour, in [0, 1]."""
    mse: float
    """Squared error of the decoded images over pixels and channels, colours in [0, 1)."""


@torch.no_grad()
def score(network: nn.Module, images: ImageSet, colour_table: Float[Tensor, "k 3"], *, regression: bool) -> Scores:
    """Score a network on images; one synchronization with the device."""
    network.eval()
    totals = torch.zeros(3, dtype=torch.float64, device=images.images.device)
    for batch, labels in images.in_order(_BATCH_IMAGES):
        output = network(grey(batch))
        truth = colours(batch)
        if regression:
            answer, chosen = output, _nearest(output, colour_table)
            losses = functional.mse_loss(output, truth) * labels.numel()
        else:
            chosen = output.argmax(dim=1)
            answer = colour_table[chosen].permute(0, 3, 1, 2)
            logits = output.permute(0, 2, 3, 1).flatten(0, 2)
            losses = functional.cross_entropy(logits, labels.flatten().long(), reduction="sum")
        squared = ((answer - truth) ** 2).sum(dtype=torch.float64) / 3
        totals += torch.stack([losses.double(), (chosen == labels).sum().double(), squared])
    loss, correct, squared_error = (totals / images.labels.numel()).tolist()
    return Scores(loss, correct, squared_error)


def score_model(model: Model, images: UInt8[np.ndarray, "n 3 h w"]) -> Scores:
    """Score a model on images by the palette that it carries."""
    seen = ImageSet.on(_device(model), images, palette.quantize(images, model.palette))
    return score(model.network, seen, _table(model), regression=model.config.is_regression)


@torch.no_grad()
def colourize(
    model: Model, images: UInt8[np.ndarray, "n 3 h w"], *, method: str = "argmax", restore: bool = False
) -> UInt8[np.ndarray, "n 3 h w"]:
    """What the network makes of the grey of `images`, decoded by `method` (see `decoding`); a regression has but one.

    `restore` gives the answer the grey that the network was shown.
    """
    level = grey(as_tensor(images).to(_device(model)))
    answer = colours_of(model, level, method=method)
    answer = restore_grey(answer, level) if restore else answer
    return np.asarray((answer * SCALE).round().clamp(0, 255).to(torch.uint8).cpu())


@torch.no_grad()
def colours_of(model: Model, level: Float[Tensor, "n 1 h w"], *, method: str) -> Float[Tensor, "n 3 h w"]:
    """The network's RGB for grey in [0, 1); `method` decodes logits, and means nothing to a regression."""
    output: Tensor = model.network.eval()(level)
    return output if model.config.is_regression else decode(output, _table(model), method=method)


@torch.no_grad()
def score_decodings(model: Model, images: UInt8[np.ndarray, "n 3 h w"]) -> dict[str, dict[str, float | None]]:
    """The errors of every decoding, plain and (`_grey`) with grey restored: `{name: {"mse", "psnr_db"}}`, JSON-ready.

    A regression has one decoding, `rgb`, which is its answer.
    """
    methods = ("rgb",) if model.config.is_regression else METHODS
    squared = {name: 0.0 for method in methods for name in (method, f"{method}_grey")}
    network, device = model.network.eval(), _device(model)
    for batch in torch.split(as_tensor(images), _BATCH_IMAGES):
        truth, level = colours(batch.to(device)), grey(batch.to(device))
        output = network(level)
        for method in methods:
            answer = output if model.config.is_regression else decode(output, _table(model), method=method)
            squared[method] += ((answer - truth) ** 2).sum(dtype=torch.float64).item()
            squared[f"{method}_grey"] += ((restore_grey(answer, level) - truth) ** 2).sum(dtype=torch.float64).item()
    errors = {name: total / images.size for name, total in squared.items()}
    return {name: {"mse": json_number(mse), "psnr_db": json_number(psnr_db(mse))} for name, mse in errors.items()}


def evaluate(
    model: Model, images: UInt8[np.ndarray, "n 3 h w"], train_images: UInt8[np.ndarray, "m 3 h w"]
) -> dict[str, Any]:
    """Score a model on images beside the floors that need no network, which are fitted on `train_images`.

    Answers `images` (their number), `cross_entropy` (None for a regression), `accuracy`, `mse`, `psnr_db` (of the pooled
    squared error), all of argmax, then `decoding` (see `score_decodings`), `floors` and `measures` (see there), JSON-ready:
    None where a number is not finite.
    """
    found = score_model(model, images)
    return {
        "images": len(images),
        "cross_entropy": None if model.config.is_regression else json_number(found.loss),
        "accuracy": found.accuracy,
        "mse": json_number(found.mse),
        "psnr_db": json_number(psnr_db(found.mse)),
        "decoding": score_decodings(model, images),
        "floors": floors.measure(train_images, images, model.palette),
        "measures": measures(model if math.isfinite(found.loss) else None, images, train_images, model.palette),
    }


def measures(
    model: Model | None,
    images: UInt8[np.ndarray, "n 3 h w"],
    train_images: UInt8[np.ndarray, "m 3 h w"],
    colour_table: Float32[np.ndarray, "k 3"],
) -> dict[str, dict[str, float | None]]:
    """The perceptual and other `colournet.scores.measures` of what each floor, and the model, makes of images.

    They are taken from 8-bit pictures: of a classification, those of its likeliest colours. Without a model there is no
    entry `model`. The prior of (a, b) is that of `train_images`.
    """
    answers = floors.colourings(train_images, images, colour_table)
    if model is not None:
        starts = range(0, len(images), _BATCH_IMAGES)
        answers["model"] = np.concatenate([colourize(model, images[at : at + _BATCH_IMAGES]) for at in starts])
    prior, truth = scores.ab_prior(as_tensor(train_images)), as_tensor(images)
    return {
        name: scores.measures(as_tensor(answer), truth, palette=colour_table, prior=prior)
        for name, answer in answers.items()
    }


def _device(model: Model) -> torch.device:
    return next(model.network.parameters()).device


def _table(model: Model) -> Float[Tensor, "k 3"]:
    return torch.tensor(model.palette, device=_device(model))


def _nearest(output: Float[Tensor, "b 3 h w"], colour_table: Float[Tensor, "k 3"]) -> Int64[Tensor, "b h w"]:
    pixels = output.permute(0, 2, 3, 1)
    return ((colour_table**2).sum(dim=1) / 2 - pixels @ colour_table.T).argmin(dim=-1)
