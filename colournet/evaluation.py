"""How well a network colours: its scores on a set of images, and what it makes of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from colournet import floors, palette, scores
from colournet.batches import Gathered, ImageSet, as_tensor, colours, grey
from colournet.checkpoints import Model
from colournet.decoding import METHODS, decode, restore_grey
from colournet.devices import threads
from colournet.fast import ANSWERS
from colournet.metrics import json_number, psnr_db
from colournet.palette_name import SQUARED_ERRORS
from colournet.spaces import of_channels, to_bytes

BATCH_IMAGES = 100


@dataclass(frozen=True)
class Scores:
    """Means over all pixels of a set of images."""

    loss: float
    """Cross-entropy in nats a pixel; for a regression the squared error of its answer."""
    accuracy: float
    """Fraction of pixels given their palette colour, in [0, 1]."""
    mse: float
    """Squared error of the decoded images over pixels and channels, RGB in [0, 1)."""


@torch.no_grad()
def score(
    network: nn.Module,
    images: ImageSet,
    colour_table: Float[Tensor, "k d"],
    *,
    regression: bool,
    form: str = "reference",
) -> Scores:
    """Score a network, which answers in the space of the colour table, on images; one synchronization with the device.

    It is computed in the form of that name: see `TrainConfig.form`.
    """
    network.eval()
    totals = torch.zeros(3, dtype=torch.float64, device=images.images.device)
    for batch in images.in_order(BATCH_IMAGES):
        totals += batch_totals(partial(ANSWERS[form], network), batch, colour_table, regression=regression)
    loss, correct, squared_error = (totals / images.labels.numel()).tolist()
    return Scores(loss, correct, squared_error)


def batch_totals(
    network: Callable[[Tensor], Tensor], batch: Gathered, colour_table: Float[Tensor, "k d"], *, regression: bool
) -> Float64[Tensor, " sums"]:
    """The loss, the right pixels and the squared error of a batch, each summed over its pixels."""
    images, labels = batch
    space, level = of_channels(colour_table.shape[1]), grey(images)
    output = network(level)
    if regression:
        answer = output * space.answer_unit
        chosen = _nearest(answer, colour_table)
        losses = functional.mse_loss(output, space.target(images)) * labels.numel()
    else:
        chosen = output.argmax(dim=1)
        answer = colour_table[chosen].permute(0, 3, 1, 2)
        logits = output.permute(0, 2, 3, 1).flatten(0, 2)
        losses = functional.cross_entropy(logits, labels.flatten().long(), reduction="sum")
    squared = ((space.to_rgb(answer, level) - colours(images)) ** 2).sum(dtype=torch.float64) / 3
    return torch.stack([losses.double(), (chosen == labels).sum().double(), squared])


def score_model(model: Model, images: UInt8[np.ndarray, "n 3 h w"]) -> Scores:
    """Score a model on images by its palette, with the threads and in the form of its training: to the same bits."""
    seen = ImageSet.on(_device(model), images, palette.quantize(images, model.palette))
    with threads(model.config.num_threads):
        config = model.config
        return score(model.network, seen, _table(model), regression=config.is_regression, form=config.form)


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
    return np.asarray(to_bytes(answer).cpu())


@torch.no_grad()
def colours_of(model: Model, level: Float[Tensor, "n 1 h w"], *, method: str) -> Float[Tensor, "n 3 h w"]:
    """The network's RGB for grey in [0, 1); `method` decodes logits, and means nothing to a regression."""
    return _to_rgb(model, model.network.eval()(level), level, method=method)


@torch.no_grad()
def score_decodings(model: Model, images: UInt8[np.ndarray, "n 3 h w"]) -> dict[str, dict[str, float | None]]:
    """The errors of every decoding, plain and (`_grey`) with grey restored: `{name: {"mse", "psnr_db"}}`, JSON-ready.

    A regression has one decoding, its answer, called by its colour space.
    """
    methods = (model.config.colour_space,) if model.config.is_regression else METHODS
    squared = {name: 0.0 for method in methods for name in (method, f"{method}_grey")}
    network, device = model.network.eval(), _device(model)
    for batch in torch.split(as_tensor(images), BATCH_IMAGES):
        truth, level = colours(batch.to(device)), grey(batch.to(device))
        output = network(level)
        for method in methods:
            answer = _to_rgb(model, output, level, method=method)
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
    None where a number is not finite. Of a regression of chroma there is also `chroma_mse`, by which it learned. It takes
    as many threads as training did.
    """
    regression = model.config.is_regression
    with threads(model.config.num_threads):
        found = score_model(model, images)
        return {
            "images": len(images),
            "cross_entropy": None if regression else json_number(found.loss),
            "accuracy": found.accuracy,
            **({SQUARED_ERRORS[model.config.colour_space]: json_number(found.loss)} if regression else {}),
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
    colour_table: Float32[np.ndarray, "k d"],
) -> dict[str, dict[str, float | None]]:
    """The perceptual and other `colournet.scores.measures` of what each floor, and the model, makes of images.

    They are taken from 8-bit pictures: of a classification, those of its likeliest colours. Without a model there is no
    entry `model`. The prior of (a, b) is that of `train_images`.
    """
    answers = floors.colourings(train_images, images, colour_table)
    if model is not None:
        starts = range(0, len(images), BATCH_IMAGES)
        answers["model"] = np.concatenate([colourize(model, images[at : at + BATCH_IMAGES]) for at in starts])
    prior = scores.ab_prior(as_tensor(train_images))
    truth, *seen = (scores.Pictures.of(as_tensor(each), palette=colour_table) for each in (images, *answers.values()))
    return {name: scores.measures(answer, truth, prior=prior) for name, answer in zip(answers, seen, strict=True)}


def _device(model: Model) -> torch.device:
    return next(model.network.parameters()).device


def _table(model: Model) -> Float[Tensor, "k d"]:
    return torch.tensor(model.palette, device=_device(model))


def _to_rgb(
    model: Model, output: Float[Tensor, "n c h w"], level: Float[Tensor, "n 1 h w"], *, method: str
) -> Float[Tensor, "n 3 h w"]:
    """RGB of a network's output: a regression's answer, or logits decoded; of chroma, under the light of the grey."""
    space = of_channels(model.palette.shape[1])
    is_regression = model.config.is_regression
    answer = output * space.answer_unit if is_regression else decode(output, _table(model), method=method)
    return space.to_rgb(answer, level)


def _nearest(answer: Float[Tensor, "b d h w"], colour_table: Float[Tensor, "k d"]) -> Int64[Tensor, "b h w"]:
    pixels = answer.permute(0, 2, 3, 1).flatten(0, 2)
    offset, step = (colour_table**2).sum(dim=1) / 2, palette.CELLS // len(colour_table)
    found = [(offset - part @ colour_table.T).argmin(dim=-1) for part in torch.split(pixels, step)]
    return torch.cat(found).reshape(len(answer), *answer.shape[2:])
