"""Fused training: configurations of one shape as one stacked network, each as if it were trained alone.

A small network leaves most of a GPU idle, since launching its kernels takes longer than computing them; a stack launches
them once for all its members. Each member has its own weights, order of batches, augmentation, learning rate, weight decay and
number of epochs, drawn from its own seed as `train` draws them, and equals its unfused self but for the noise of summation. Its
checkpoints are those of `train`: a member goes on in another stack, or alone, as it would in this one.

On a CPU, which computes all the time, stacking loses. On a GPU it has not been measured: there was none. What is left to do there
is known: each member's batch is gathered by itself, and steps are not recorded as CUDA graphs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from colournet.batches import Gathered, ImageSet
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.devices import choose_device, deterministic, threads
from colournet.evaluation import BATCH_IMAGES
from colournet.metrics import EpochMetrics
from colournet.mid_course import Run, best_epoch
from colournet.objective import Objective
from colournet.optimization import share_of_rate
from colournet.stackable import check_one_shape
from colournet.stacks import Stack, Stacked, StackedAdam
from colournet.training import TrainResult

OnEpochs = Callable[[Mapping[int, EpochMetrics]], Collection[int]]
OnMemberModel = Callable[[int, int, Model], None]


def train_fused(
    configs: Sequence[TrainConfig],
    data: TrainingData,
    *,
    on_epochs: OnEpochs | None = None,
    on_model: OnMemberModel | None = None,
    resume_from: Mapping[int, Path] | None = None,
    checkpoint_dirs: Mapping[int, Path] | None = None,
    objective: Objective | None = None,
) -> tuple[TrainResult, ...]:
    """Train configurations of one shape together; answer for each, in their order, what `train` would.

    Members are named by their places among `configs`, and may be resumed, and leave checkpoints, as `train` does.
    `on_epochs` is told of an epoch of all members at once and answers which of them are to stop; before that `on_model` is
    shown each one's place, epoch and network. A member leaves the stack after its last epoch, when it is stopped, and when a
    loss of it is not finite: its history tells then, no error is raised. A stack computes in the reference form, and the
    models say so. Seconds and images a second are a member's share of the stack's, all of which have the same.
    Raises `ConfigError` for configurations of several shapes, and as `train` for what they are to be resumed from.
    """
    check_one_shape(configs)
    resume_from, folders, objective = resume_from or {}, checkpoint_dirs or {}, objective or Objective()
    device = choose_device(configs[0].device)
    with threads(configs[0].num_threads), deterministic():
        members = [
            _Member.start(place, config, data, device, resume_from.get(place)) for place, config in enumerate(configs)
        ]
        fused = _Fused.of([member for member in members if not member.is_done], data, device)
        while fused.members:
            told = fused.epoch()
            for index, member in enumerate(fused.members):
                fused.bring_back(index, with_moments=member.place in folders)
                if member.place in folders:
                    member.run.write(folders[member.place], member.model, objective)
                if on_model and told[member.place].is_finite:
                    on_model(member.place, told[member.place].epoch, member.model)
            stopped = on_epochs(told) if on_epochs else ()
            fused.keep([index for index, member in enumerate(fused.members) if member.goes_on(stopped)])
    return tuple(
        TrainResult(member.model, tuple(member.run.history), best_epoch(member.run.history, objective))
        for member in members
    )


@dataclass
class _Member:
    """One configuration of a stack; its run has its weights whenever they were brought back."""

    place: int
    run: Run
    model: Model

    @classmethod
    def start(
        cls, place: int, config: TrainConfig, data: TrainingData, device: torch.device, resume_from: Path | None
    ) -> _Member:
        """Begin it, or take it up, as `train` does."""
        config = config.replace(form="reference")
        run = Run.start(config, device, data) if resume_from is None else Run.resume(config, device, resume_from)
        return cls(place, run, Model(run.network, config, data.palette))

    @property
    def is_done(self) -> bool:
        """Whether all its epochs lie behind it."""
        return len(self.run.history) >= self.run.config.epochs

    def goes_on(self, stopped: Collection[int]) -> bool:
        """Whether it trains another epoch."""
        return not self.is_done and self.place not in stopped and self.run.history[-1].is_finite

    def rate(self, done: float) -> float:
        """Its learning rate, where `done` is the fraction of its steps that lie behind it."""
        return self.run.config.learning_rate * share_of_rate(self.run.config.schedule, done)


@dataclass
class _Fused:
    """What changes while a stack is trained."""

    members: list[_Member]
    """Those that are in the stack, in its order."""
    training: ImageSet
    validation: ImageSet
    palette: Float[Tensor, "k d"]
    stack: Stack = field(init=False)
    optimizer: StackedAdam = field(init=False)

    @classmethod
    def of(cls, members: list[_Member], data: TrainingData, device: torch.device) -> _Fused:
        fused = cls(
            members=members,
            training=ImageSet.on(device, data.train_images, data.train_labels),
            validation=ImageSet.on(device, data.validation_images, data.validation_labels),
            palette=torch.tensor(data.palette, device=device),
        )
        if members:
            runs = [member.run for member in members]
            fused.stack = Stack([run.network for run in runs], runs[0].config)
            fused.optimizer = StackedAdam(fused.stack.weights, [run.config for run in runs])
            for index, run in enumerate(runs):
                if run.history:
                    fused.optimizer.load(index, [run.optimizer.state[weight] for weight in run.network.parameters()])
        return fused

    def epoch(self) -> dict[int, EpochMetrics]:
        """Train all members for an epoch and validate them; what each measured, by its place."""
        started = time.perf_counter()
        train_losses = self._train()
        trained = time.perf_counter()
        scores = self._validate()
        seconds = (time.perf_counter() - started) / len(self.members)
        images_per_second = len(self.members) * len(self.training) / (trained - started)
        told = {}
        for member, train_loss, (loss, accuracy, mse) in zip(self.members, train_losses, scores, strict=True):
            metrics = EpochMetrics(
                epoch=len(member.run.history) + 1,
                train_loss=train_loss,
                val_loss=loss,
                val_accuracy=accuracy,
                val_mse=mse,
                seconds=seconds,
                images_per_second=images_per_second,
            )
            member.run.history.append(metrics)
            told[member.place] = metrics
        return told

    def _train(self) -> list[float]:
        """Step through all batches once; each member's mean loss over the images, read back from the device once."""
        totals = torch.zeros(len(self.members), dtype=torch.float64, device=self.training.images.device)
        runs = [member.run for member in self.members]
        batches = [self.training.shuffled(run.config, generator=run.generator) for run in runs]
        for step, batch in enumerate(_side_by_side(batches)):
            losses = self.stack.losses(batch)
            gradients = torch.autograd.grad(losses.sum(), self.stack.weights)
            self.optimizer.step(self.stack.weights, list(gradients), self._rates(step))
            totals += losses.detach() * batch[0].shape[1]
        means: list[float] = (totals / len(self.training)).tolist()
        return means

    def _rates(self, step: int) -> list[float]:
        """Each member's learning rate for a step of this epoch."""
        steps = math.ceil(len(self.training) / self.members[0].run.config.batch_size)
        return [
            member.rate((len(member.run.history) * steps + step) / (steps * member.run.config.epochs))
            for member in self.members
        ]

    def _validate(self) -> list[list[float]]:
        """Each member's loss, accuracy and squared error, as `evaluation.score` has them."""
        totals = torch.zeros(len(self.members), 3, dtype=torch.float64, device=self.palette.device)
        for batch in self.validation.in_order(BATCH_IMAGES):
            totals += self.stack.totals(batch, self.palette)
        means: list[list[float]] = (totals / self.validation.labels.numel()).tolist()
        return means

    def bring_back(self, index: int, *, with_moments: bool) -> None:
        """Give a member's run its weights as they are now, and its optimizer what a checkpoint needs."""
        run = self.members[index].run
        self.stack.write(index, run.network)
        if with_moments:
            run.optimizer.state.update(zip(run.network.parameters(), self.optimizer.state(index), strict=True))

    def keep(self, stays: Sequence[int]) -> None:
        """Let all others leave; their weights were brought back after the epoch."""
        if len(stays) < len(self.members):
            self.members = [self.members[index] for index in stays]
            self.stack.keep(stays)
            self.optimizer.keep(stays)


def _side_by_side(batches: Sequence[Iterator[Gathered]]) -> Iterator[Stacked]:
    """The members' batches, which are of one size, step by step."""
    for step in zip(*batches, strict=True):
        images, labels = zip(*step, strict=True)
        yield torch.stack(images), torch.stack(labels)
