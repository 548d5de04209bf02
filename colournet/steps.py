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


class Trainer:
    """Trains a network on images, epoch by epoch."""

    def __init__(self, network: nn.Module, optimizer: Optimizer, images: ImageSet, config: TrainConfig) -> None:
        self._network, self._optimizer, self.images, self._config = network, optimizer, images, config
        self._total = torch.zeros((), dtype=torch.float64, device=images.images.device)
        self._step: Callable[[Picks], None] = self._take_step
        if images.images.device.type == "cuda":
            others = [self._total]
            record = partial(graphs.record, network=network, optimizer=optimizer, others=others)
            self._step = graphs.Replayed(self._take_step, record=record)

    def epoch(self, *, behind: int, generator: torch.Generator) -> float:
        """Step through all batches once, with so many epochs behind; answer the mean loss over the images."""
        self._network.train()
        self._total.zero_()
        batches = self.images.draw(self._config, generator=generator)
        for step, picks in enumerate(batches, behind * len(batches)):
            done = step / (len(batches) * self._config.epochs)
            optimization.set_learning_rate(self._optimizer, self._config, done=done)
            self._step(picks)
        return self._total.item() / len(self.images)

    def _take_step(self, picks: Picks) -> None:
        loss = batch_loss(self._network, self.images.gather(picks), self._config)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self._total += loss.detach() * len(picks.chosen)


def batch_loss(network: nn.Module, batch: Gathered, config: TrainConfig) -> Float[Tensor, ""]:
    """Mean squared error of the answer over pixels and channels, or cross-entropy in nats a pixel over (smoothed) labels."""
    images, labels = batch
    if config.is_regression:
        output = fast.ANSWERS[config.form](network, grey(images))
        return functional.mse_loss(output, of_channels(output.shape[1]).target(images))
    if config.form == "fast" and fast.has_form(network):
        return fast.cross_entropy(network, grey(images), labels, smoothing=config.label_smoothing)
    logits = network(grey(images)).permute(0, 2, 3, 1).flatten(0, 2)  # a view, as the network is channels-last
    return functional.cross_entropy(logits, labels.flatten().long(), label_smoothing=config.label_smoothing)
