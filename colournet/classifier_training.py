"""Training the classifier: order, augmentation, optimizer and schedule are those of a colourizer's training.

Nothing is selected: the network is that of the last epoch, so what the validation images say of it is no flattery.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn
from torch.nn import functional

from colournet import optimization
from colournet.batches import ImageSet, colours
from colournet.classifier import Classifier, build
from colournet.classifier_config import ClassifierConfig
from colournet.config import CLASSES
from colournet.data import read_splits
from colournet.devices import choose_device, deterministic, threads
from colournet.errors import DivergedError
from colournet.optimization import Optimizer

_BATCH_IMAGES = 500  # of validation

Images = UInt8[np.ndarray, "_ 3 h w"]


@dataclass(frozen=True, kw_only=True)
class ClassifierEpoch:
    """What one epoch measured."""

    epoch: int
    """Number of the epoch, from 1."""

    train_loss: float
    """Mean cross-entropy in nats an image, against smoothed labels, while the epoch went on."""

    val_loss: float
    """Mean cross-entropy in nats an image over the validation images after the epoch."""

    val_accuracy: float
    """Fraction of the validation images of all ten classes whose likeliest class is theirs."""

    seconds: float
    """Wall-clock seconds of the epoch, training and validation."""


@dataclass(frozen=True)
class Labelled:
    """Images of all ten classes, one class after the other."""

    images: Images
    classes: UInt8[np.ndarray, " _"]
    """Index into `CLASSES` of each image."""

    @classmethod
    def join(cls, by_class: dict[str, Images]) -> Labelled:
        """Put the images of several classes into one set."""
        classes = [np.full(len(images), CLASSES.index(name), dtype=np.uint8) for name, images in by_class.items()]
        return cls(np.concatenate(list(by_class.values())), np.concatenate(classes))

    def on(self, device: torch.device) -> ImageSet:
        """As a set whose pixels all carry the class of their image, as batches of a colourizer carry a colour."""
        spread = np.broadcast_to(self.classes[:, None, None], (len(self.images), *self.images.shape[2:]))
        return ImageSet.on(device, self.images, spread)


def read_labelled(config: ClassifierConfig, *, data_dir: Path | None = None) -> tuple[Labelled, Labelled]:
    """Read the training and the validation images of all ten classes, split as a colourizer's run of each splits them."""
    splits = read_splits(config.recipe, classes=CLASSES, data_dir=data_dir)
    training, validation = ({name: parts[at] for name, parts in splits.items()} for at in (0, 1))
    return Labelled.join(training), Labelled.join(validation)


def train_classifier(
    config: ClassifierConfig,
    training: Labelled,
    validation: Labelled,
    *,
    on_epoch: Callable[[ClassifierEpoch], None] | None = None,
) -> tuple[Classifier, list[ClassifierEpoch]]:
    """Train on all of `training`; on the same machine, device and thread count to the same bits.

    `on_epoch` is told of every epoch. Raises `DivergedError` after an epoch whose loss is not finite.
    """
    device = choose_device(config.device)
    with threads(config.num_threads), deterministic():
        generator = torch.Generator().manual_seed(config.seed)
        network = build(generator=generator).to(device)
        optimizer = optimization.make_optimizer(network, config.recipe)
        shown, held_out = training.on(device), validation.on(device)
        history: list[ClassifierEpoch] = []
        for epoch in range(1, config.epochs + 1):
            started = time.perf_counter()
            train_loss = _train_one_epoch(network, optimizer, shown, config, epoch=epoch, generator=generator)
            val_loss, val_accuracy = score(network, held_out)
            seconds = time.perf_counter() - started
            history.append(
                ClassifierEpoch(
                    epoch=epoch, train_loss=train_loss, val_loss=val_loss, val_accuracy=val_accuracy, seconds=seconds
                )
            )
            if on_epoch is not None:
                on_epoch(history[-1])
            if not math.isfinite(train_loss + val_loss):
                raise DivergedError(
                    f"training diverged in epoch {epoch}: train loss {train_loss}", hint="try another seed"
                )
    return Classifier(network.eval(), config), history


@torch.no_grad()
def score(network: nn.Module, images: ImageSet) -> tuple[float, float]:
    """Mean cross-entropy in nats an image, and the fraction of images whose likeliest class is theirs."""
    network.eval()
    totals = torch.zeros(2, dtype=torch.float64, device=images.images.device)
    for batch, pixels in images.in_order(_BATCH_IMAGES):
        classes, logits = pixels[:, 0, 0].long(), network(colours(batch))
        loss = functional.cross_entropy(logits, classes, reduction="sum")
        totals += torch.stack([loss.double(), (logits.argmax(dim=1) == classes).sum().double()])
    loss, accuracy = (totals / len(images)).tolist()
    return loss, accuracy


def _train_one_epoch(
    network: nn.Module,
    optimizer: Optimizer,
    images: ImageSet,
    config: ClassifierConfig,
    *,
    epoch: int,
    generator: torch.Generator,
) -> float:
    """Step through all batches once; answer the mean loss over the images, read back from the device once."""
    network.train()
    recipe = config.recipe
    steps = math.ceil(len(images) / recipe.batch_size)
    total = torch.zeros((), dtype=torch.float64, device=images.images.device)
    for step, (batch, pixels) in enumerate(images.shuffled(recipe, generator=generator), (epoch - 1) * steps):
        optimization.set_learning_rate(optimizer, recipe, done=step / (steps * config.epochs))
        logits = network(colours(batch))
        loss = functional.cross_entropy(logits, pixels[:, 0, 0].long(), label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(batch)
    return total.item() / len(images)
