"""The optimizer steps of an epoch. The device is waited for once, at the end.

On a GPU images, labels and augmentation stay there, what was drawn for an epoch is brought there at once, and the whole step,
from picking a batch to adding its loss, is replayed as one CUDA graph (`colournet.graphs`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from colournet import fast, graphs, optimization
from colournet.batches import Gathered, ImageSet, Picks, grey
from colournet.config import TrainConfig
from colournet.optimization import Optimizer
from colournet.spaces import of_channels


class Step:
    """One optimizer step on a batch of images. Losses add up on the device."""

    def __init__(self, network: nn.Module, optimizer: Optimizer, images: ImageSet, config: TrainConfig) -> None:
        self._network, self._optimizer, self._images, self._config = network, optimizer, images, config
        self.total = torch.zeros((), dtype=torch.float64, device=images.images.device)
        """The sum of the losses of all images seen so far."""

    def __call__(self, picks: Picks) -> None:
        """Take it."""
        loss = batch_loss(self._network, self._images.gather(picks), self._config)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.total += loss.detach() * len(picks.chosen)


class Trainer:
    """Trains a network on images, epoch by epoch."""

    def __init__(self, network: nn.Module, optimizer: Optimizer, images: ImageSet, config: TrainConfig) -> None:
        self.images, self._network, self._optimizer, self._config = images, network, optimizer, config
        self.step = Step(network, optimizer, images, config)
        self.take: Callable[[Picks], None] = self.step
        """What takes the step: on a GPU it is recorded once and replayed."""
        if images.images.device.type == "cuda":
            others = [self.step.total]
            record = partial(graphs.record, network=network, optimizer=optimizer, others=others)
            self.take = graphs.Replayed(self.step, record=record)

    def epoch(self, *, behind: int, generator: torch.Generator) -> float:
        """Step through all batches once, with so many epochs behind; answer the mean loss over the images."""
        self._network.train()
        self.step.total.zero_()
        batches = self.images.draw(self._config, generator=generator)
        for number, picks in enumerate(batches, behind * len(batches)):
            done = number / (len(batches) * self._config.epochs)
            optimization.set_learning_rate(self._optimizer, self._config, done=done)
            self.take(picks)
        return self.step.total.item() / len(self.images)


def batch_loss(network: nn.Module, batch: Gathered, config: TrainConfig) -> Float[Tensor, ""]:
    """Mean squared error of the answer over pixels and channels, or cross-entropy in nats a pixel over (smoothed) labels."""
    if config.precision == "float32":
        return _loss(network, batch, config)
    with torch.autocast(batch[0].device.type, torch.bfloat16, cache_enabled=False):  # a recorded step must cast anew
        return _loss(network, batch, config)


def _loss(network: nn.Module, batch: Gathered, config: TrainConfig) -> Float[Tensor, ""]:
    images, labels = batch
    if config.is_regression:
        output = fast.ANSWERS[config.form](network, grey(images))
        return functional.mse_loss(output, of_channels(output.shape[1]).target(images))
    if config.form == "fast" and fast.has_form(network):
        return fast.cross_entropy(network, grey(images), labels, smoothing=config.label_smoothing)
    logits = network(grey(images)).permute(0, 2, 3, 1).flatten(0, 2)  # a view, as the network is channels-last
    return functional.cross_entropy(logits, labels.flatten().long(), label_smoothing=config.label_smoothing)
