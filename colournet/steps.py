"""The optimizer steps of an epoch. The device is waited for once, at the end."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from colournet import fast, optimization
from colournet.batches import Gathered, ImageSet, grey
from colournet.config import TrainConfig
from colournet.optimization import Optimizer
from colournet.spaces import of_channels


def train_epoch(
    network: nn.Module,
    optimizer: Optimizer,
    images: ImageSet,
    config: TrainConfig,
    *,
    epoch: int,
    generator: torch.Generator,
) -> float:
    """Step through all batches once, with so many epochs behind; answer the mean loss over the images."""
    network.train()
    total = torch.zeros((), dtype=torch.float64, device=images.images.device)
    steps = math.ceil(len(images) / config.batch_size)
    for step, batch in enumerate(images.shuffled(config, generator=generator), epoch * steps):
        optimization.set_learning_rate(optimizer, config, done=step / (steps * config.epochs))
        loss = batch_loss(network, batch, config)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(batch[0])
    return total.item() / len(images)


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
