"""What a classifier sees of colourings: whether they still show their class, and how near they come to photographs.

Two networks meet here and nowhere else: the one that colours, and one that has learned what the ten classes look like in
colour (`colournet.classifier`). Its measures depend on its weights: compare figures of the same classifier alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from colournet import classifier
from colournet.batches import as_tensor, colours
from colournet.checkpoints import Model
from colournet.classifier import FILE, Classifier, ClassifierNet, pool
from colournet.classifier_config import ClassifierConfig
from colournet.config import TrainConfig
from colournet.data import read_splits
from colournet.devices import threads
from colournet.errors import ConfigError
from colournet.evaluation import colourize, evaluate
from colournet.feature_scores import class_accuracy, feature_distances, kernel_distance
from colournet.metrics import json_number
from colournet.pictures import grey_copy

_BATCH_IMAGES = 100
_NO_ANSWER = ("model", "model_grey_restored")

Images = UInt8[np.ndarray, "_ 3 h w"]


@dataclass(frozen=True)
class Judge:
    """A classifier, and photographs of the class in question that pictures are compared with."""

    classifier: Classifier
    photographs: Images


def open_judge(path: Path, config: TrainConfig, *, split: str, data_dir: Path | None = None) -> Judge:
    """Open a classifier's folder or file, to measure a run of `config` on the images of `split`.

    The photographs are the validation images of the run's category, which the classifier never trained on; where these are
    measured themselves, the training images, which it knows, so that then even the truth has a `kid` a little above 0. Raises
    `CheckpointError` if the classifier is missing or damaged, `ConfigError` if it is of another data set or split.
    """
    found = classifier.load(path / FILE if path.is_dir() else path)
    for name in ("dataset", "data_seed"):
        its, wanted = getattr(found.config, name), getattr(config, name)
        if its != wanted:
            raise ConfigError(
                f"{path}: was trained with {name} = {its!r}, where the run has {wanted!r}",
                hint=f"train one for such runs: {how_to_train(config)}",
            )
    tests = split == "test" or config.protocol == "handout"
    parts = read_splits(found.config.recipe, classes=[config.category], data_dir=data_dir)[config.category]
    return Judge(found, parts[1] if tests else parts[0])


def how_to_train(config: TrainConfig) -> str:
    """The command that trains a classifier for runs like that of `config`."""
    command = "colournet train-classifier"
    for name, flag in (("dataset", "--dataset"), ("data_seed", "--data-seed")):
        if getattr(config, name) != getattr(ClassifierConfig, name):
            command += f" {flag} {getattr(config, name)}"
    return command


def evaluate_seen(model: Model, images: Images, train_images: Images, *, judge: Judge | None) -> dict[str, Any]:
    """`evaluate` a model, and where there is a judge add `perception`, which `perceive` answers."""
    scores = evaluate(model, images, train_images)
    if judge is None:
        return scores
    is_finite = "model" in scores["measures"]
    seen = perceive(judge, model if is_finite else None, images, category=model.config.category)
    return {**scores, "perception": seen}


def perceive(judge: Judge, model: Model | None, images: Images, *, category: str) -> dict[str, dict[str, float | None]]:
    """Measure what a classifier sees of images of `category` and of their colourings.

    Answers, JSON-ready, `truth`, `grey_copy`, `model` (the likeliest colours, or RGB as answered) and `model_grey_restored` (the
    expected colours, or RGB, with the grey of the image), each with `accuracy` (`class_accuracy`), `feature_distance` (the mean
    of `feature_distances` to the truth), and `kid` with `kid_standard_error` (`kernel_distance` to the photographs, the features
    scaled to a mean square of 1 over these). None stands where a number is not finite, and for the model's where `model` is None.
    """
    network = judge.classifier.network.eval()
    pooled: dict[str, list[Tensor]] = {}
    apart: dict[str, list[Tensor]] = {}
    with torch.no_grad(), threads(judge.classifier.config.num_threads):
        for at in range(0, len(images), _BATCH_IMAGES):
            shown = _pictures(model, images[at : at + _BATCH_IMAGES])
            seen = {name: _features(network, as_tensor(pictures)) for name, pictures in shown.items()}
            for name, features in seen.items():
                pooled.setdefault(name, []).append(pool(features))
                apart.setdefault(name, []).append(feature_distances(features, seen["truth"]))
        reference = torch.split(as_tensor(judge.photographs), _BATCH_IMAGES)
        photographs = torch.cat([pool(_features(network, part)) for part in reference])
        found = {
            name: _measures(network, torch.cat(parts), torch.cat(apart[name]), photographs, category=category)
            for name, parts in pooled.items()
        }
    return found if model is not None else found | {name: dict.fromkeys(found["truth"]) for name in _NO_ANSWER}


def _measures(
    network: ClassifierNet, pooled: Tensor, apart: Tensor, photographs: Tensor, *, category: str
) -> dict[str, float | None]:
    scale = photographs.square().mean().sqrt()
    kid, standard_error = kernel_distance(pooled / scale, photographs / scale)
    found = {
        "accuracy": class_accuracy(network.decide(pooled), category),
        "feature_distance": apart.double().mean().item(),
        "kid": kid,
        "kid_standard_error": standard_error,
    }
    return {name: json_number(value) for name, value in found.items()}


def _features(network: ClassifierNet, images: UInt8[Tensor, "n 3 h w"]) -> list[Tensor]:
    return network.features(colours(images.to(network.answer.weight.device)))


def _pictures(model: Model | None, images: Images) -> dict[str, Images]:
    shown = {"truth": images, "grey_copy": grey_copy(images)}
    if model is not None:
        shown["model"] = colourize(model, images)
        shown["model_grey_restored"] = colourize(model, images, method="mean", restore=True)
    return shown
