"""Fused training: configurations of one shape as one stacked network, each as if it were trained alone.

A small network leaves most of a GPU idle, since launching its kernels takes longer than computing them; a stack launches
them once for all its members. Each member has its own weights, order of batches, augmentation, learning rate, weight decay and
number of epochs, drawn from its own seed as `train` draws them, and equals its unfused self but for the noise of summation.

On a CPU, which computes all the time, stacking loses. On a GPU it has not been measured: there was none. What is left to do there
is known: each member's batch is gathered by itself, and steps are not recorded as CUDA graphs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colournet.batches import Gathered, ImageSet
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.devices import choose_device, deterministic, threads
from colournet.errors import ConfigError
from colournet.evaluation import BATCH_IMAGES
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.objective import Objective
from colournet.optimization import share_of_rate
from colournet.stacks import Stack, Stacked, StackedAdam
from colournet.training import TrainResult, best_epoch, start_table

OWN = (
    "learning_rate",
    "schedule",
    "weight_decay",
    "epochs",
    "seed",
    "flip_horizontal",
    "flip_vertical",
    "shift_horizontal_pixels",
    "shift_vertical_pixels",
)
"""What members of a stack may differ in."""

OnMemberEpoch = Callable[[int, EpochMetrics], Literal["stop"] | None]


def shape(config: TrainConfig) -> TrainConfig:
    """What configurations must have in common to be fused: all that is no member's own, which is at its default."""
    return config.replace(**{name: getattr(TrainConfig(), name) for name in OWN})


def train_fused(
    configs: Sequence[TrainConfig],
    data: TrainingData,
    *,
    on_epoch: OnMemberEpoch | None = None,
    objective: Objective | None = None,
) -> tuple[TrainResult, ...]:
    """Train configurations of one shape together; answer for each, in their order, what `train` would.

    `on_epoch` is told of every epoch by the member's place among `configs`, and may answer "stop". A member leaves the stack
    after its last epoch, when it is stopped, and when a loss of it is not finite: its history tells then, no error is raised.
    A stack computes in the reference form, and the models say so. The seconds of an epoch are those of the whole stack, which
    its members share. Raises `ConfigError` for configurations of several shapes.
    """
    _check_one_shape(configs)
    device = choose_device(configs[0].device)
    with threads(configs[0].num_threads), deterministic():
        fused = _Fused.start(configs, data, device)
        while fused.members:
            measured = fused.epoch()
            stays = []
            for index, (member, metrics) in enumerate(zip(fused.members, measured, strict=True)):
                member.history.append(metrics)
                answer = on_epoch(member.place, metrics) if on_epoch else None
                if answer != "stop" and metrics.is_finite and metrics.epoch < member.config.epochs:
                    stays.append(index)
            fused.keep(stays)
    return tuple(
        TrainResult(
            Model(member.network, member.config, data.palette),
            tuple(member.history),
            best_epoch(member.history, objective or Objective()),
        )
        for member in fused.all
    )


def _check_one_shape(configs: Sequence[TrainConfig]) -> None:
    if not configs:
        raise ConfigError("there is nothing to train: no configurations were given")
    first = shape(configs[0]).to_mapping()
    for config in configs[1:]:
        other = shape(config).to_mapping()
        for name in sorted({*first, *other}):
            if first.get(name) != other.get(name):
                raise ConfigError(
                    f"cannot be trained as one stack: {name} is {first.get(name)!r} and {other.get(name)!r}",
                    hint=f"members may differ in {', '.join(OWN)}",
                )


@dataclass
class _Member:
    """One configuration of a stack; its network has its weights before and after it was in it."""

    place: int
    config: TrainConfig
    network: nn.Module
    generator: torch.Generator
    history: list[EpochMetrics] = field(default_factory=list)

    @classmethod
    def start(cls, place: int, config: TrainConfig, data: TrainingData, device: torch.device) -> _Member:
        """Draw what the configuration's seed decides, in the order in which `train` draws it."""
        generator = torch.Generator().manual_seed(config.seed)
        network = build(config, generator=generator)
        start_table(network, data)
        return cls(place, config.replace(form="reference"), network.to(device), generator)

    def rate(self, done: float) -> float:
        """Its learning rate, where `done` is the fraction of its steps that lie behind it."""
        return self.config.learning_rate * share_of_rate(self.config.schedule, done)


@dataclass
class _Fused:
    """What changes while a stack is trained."""

    all: list[_Member]
    members: list[_Member]
    """Those that are in the stack, in its order."""
    stack: Stack
    optimizer: StackedAdam
    training: ImageSet
    validation: ImageSet
    palette: Float[Tensor, "k d"]

    @classmethod
    def start(cls, configs: Sequence[TrainConfig], data: TrainingData, device: torch.device) -> _Fused:
        members = [_Member.start(place, config, data, device) for place, config in enumerate(configs)]
        stack = Stack([member.network for member in members], configs[0])
        return cls(
            all=members,
            members=list(members),
            stack=stack,
            optimizer=StackedAdam(stack.weights, configs),
            training=ImageSet.on(device, data.train_images, data.train_labels),
            validation=ImageSet.on(device, data.validation_images, data.validation_labels),
            palette=torch.tensor(data.palette, device=device),
        )

    def epoch(self) -> list[EpochMetrics]:
        """Train all members for an epoch and validate them; what each measured, in the order of the stack."""
        started = time.perf_counter()
        train_losses = self._train()
        trained = time.perf_counter()
        scores = self._validate()
        seconds = time.perf_counter() - started
        return [
            EpochMetrics(
                epoch=len(member.history) + 1,
                train_loss=train_loss,
                val_loss=loss,
                val_accuracy=accuracy,
                val_mse=mse,
                seconds=seconds,
                images_per_second=len(self.training) / (trained - started),
            )
            for member, train_loss, (loss, accuracy, mse) in zip(self.members, train_losses, scores, strict=True)
        ]

    def _train(self) -> list[float]:
        """Step through all batches once; each member's mean loss over the images, read back from the device once."""
        totals = torch.zeros(len(self.members), dtype=torch.float64, device=self.training.images.device)
        batches = [self.training.shuffled(member.config, generator=member.generator) for member in self.members]
        for step, batch in enumerate(_side_by_side(batches)):
            losses = self.stack.losses(batch)
            gradients = torch.autograd.grad(losses.sum(), self.stack.weights)
            self.optimizer.step(self.stack.weights, list(gradients), self._rates(step))
            totals += losses.detach() * batch[0].shape[1]
        means: list[float] = (totals / len(self.training)).tolist()
        return means

    def _rates(self, step: int) -> list[float]:
        """Each member's learning rate for a step of this epoch."""
        steps = math.ceil(len(self.training) / self.members[0].config.batch_size)
        return [
            member.rate((len(member.history) * steps + step) / (steps * member.config.epochs))
            for member in self.members
        ]

    def _validate(self) -> list[list[float]]:
        """Each member's loss, accuracy and squared error, as `evaluation.score` has them."""
        totals = torch.zeros(len(self.members), 3, dtype=torch.float64, device=self.palette.device)
        for batch in self.validation.in_order(BATCH_IMAGES):
            totals += self.stack.totals(batch, self.palette)
        means: list[list[float]] = (totals / self.validation.labels.numel()).tolist()
        return means

    def keep(self, stays: Sequence[int]) -> None:
        """Let all others leave, each with its weights in its network."""
        for index in set(range(len(self.members))) - set(stays):
            self.stack.write(index, self.members[index].network)
        if len(stays) < len(self.members):
            self.members = [self.members[index] for index in stays]
            self.stack.keep(stays)
            self.optimizer.keep(stays)


def _side_by_side(batches: Sequence[Iterator[Gathered]]) -> Iterator[Stacked]:
    """The members' batches, which are of one size, step by step."""
    for step in zip(*batches, strict=True):
        images, labels = zip(*step, strict=True)
        yield torch.stack(images), torch.stack(labels)
