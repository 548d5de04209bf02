"""The training loop, to be read from top to bottom.

One epoch: shuffle, and for each batch augment, colour, step; then validate, write the checkpoint, and tell `on_epoch`.
The checkpoint comes first, so that whoever was told of an epoch can go on from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from colournet.batches import ImageSet
from colournet.checkpoints import Model
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.devices import choose_device, deterministic, threads
from colournet.evaluation import score
from colournet.metrics import EpochMetrics
from colournet.mid_course import Run, best_epoch, diverged
from colournet.objective import Objective
from colournet.steps import Trainer

OnEpoch = Callable[[EpochMetrics], Literal["stop"] | None]
OnModel = Callable[[int, Model], None]


@dataclass(frozen=True)
class TrainResult:
    """What training leaves: the network after its last epoch, every epoch's metrics, and which was best."""

    model: Model
    history: tuple[EpochMetrics, ...]
    best: EpochMetrics
    """The epoch with the best value of the objective; of equals, the first."""


def train(
    config: TrainConfig,
    data: TrainingData,
    *,
    on_epoch: OnEpoch | None = None,
    on_model: OnModel | None = None,
    resume_from: Path | None = None,
    checkpoint_dir: Path | None = None,
    objective: Objective | None = None,
) -> TrainResult:
    """Train the network of `config` on `data`, epoch by epoch.

    `on_epoch` is told of every epoch and may answer "stop"; before that `on_model` is shown the network as it is after that
    many epochs, and must not change it. With `checkpoint_dir`, every epoch leaves `LAST_CHECKPOINT`
    there, and the best by `objective` (validation loss) `BEST_MODEL`. `resume_from` goes on from a checkpoint: on the
    same machine, device and thread count to the same bits. Raises `DivergedError` after telling `on_epoch` of an epoch
    whose loss is not finite (at once, if the checkpoint is of such an epoch), `CheckpointError` for a checkpoint that is
    damaged, of another config, or of more epochs.
    """
    device = choose_device(config.device)
    objective = objective or Objective()
    with threads(config.num_threads), deterministic():
        run = Run.start(config, device, data) if resume_from is None else Run.resume(config, device, resume_from)
        trainer = Trainer(run.network, run.optimizer, ImageSet.on(device, data.train_images, data.train_labels), config)
        validation = ImageSet.on(device, data.validation_images, data.validation_labels)
        palette = torch.tensor(data.palette, device=device)
        model = Model(run.network, config, data.palette)

        while len(run.history) < config.epochs:
            metrics = _one_epoch(run, trainer, validation, palette)
            run.history.append(metrics)
            if checkpoint_dir is not None:
                run.write(checkpoint_dir, model, objective)
            if on_model and metrics.is_finite:
                on_model(metrics.epoch, model)
            answer = on_epoch(metrics) if on_epoch else None
            if not metrics.is_finite:
                raise diverged(metrics, config)
            if answer == "stop":
                break
    return TrainResult(model, tuple(run.history), best_epoch(run.history, objective))


def _one_epoch(run: Run, trainer: Trainer, validation: ImageSet, palette: Float[Tensor, "k d"]) -> EpochMetrics:
    """Train for an epoch, then validate; the time of the latter counts for the epoch and not for the images a second."""
    started = time.perf_counter()
    config, behind = run.config, len(run.history)
    train_loss = trainer.epoch(behind=behind, generator=run.generator)
    trained = time.perf_counter()
    scores = score(run.network, validation, palette, regression=config.is_regression, form=config.form)
    return EpochMetrics(
        epoch=behind + 1,
        train_loss=train_loss,
        val_loss=scores.loss,
        val_accuracy=scores.accuracy,
        val_mse=scores.mse,
        seconds=time.perf_counter() - started,
        images_per_second=len(trainer.images) / (trained - started),
    )
