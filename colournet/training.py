"""The training loop, to be read from top to bottom.

One epoch: shuffle, and for each batch augment, colour, step; then validate, write the checkpoint, and tell `on_epoch`.
The checkpoint comes first, so that whoever was told of an epoch can go on from it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colournet import checkpoints, floors, optimization, tensor_files
from colournet.batches import ImageSet
from colournet.checkpoints import Checkpoint, Model
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.devices import choose_device, deterministic, threads
from colournet.errors import CheckpointError, DivergedError
from colournet.evaluation import score
from colournet.extended import ExtendedNet
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.objective import Objective
from colournet.optimization import Optimizer
from colournet.steps import Trainer

_MOMENTS = ("exp_avg", "exp_avg_sq")

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
        run = _Run.start(config, device, data) if resume_from is None else _Run.resume(config, device, resume_from)
        trainer = Trainer(run.network, run.optimizer, ImageSet.on(device, data.train_images, data.train_labels), config)
        validation = ImageSet.on(device, data.validation_images, data.validation_labels)
        palette = torch.tensor(data.palette, device=device)
        model = Model(run.network, config, data.palette)

        while len(run.history) < config.epochs:
            metrics = _one_epoch(run, trainer, validation, palette)
            run.history.append(metrics)
            if checkpoint_dir is not None:
                _write(checkpoint_dir, run, model, is_best=best_epoch(run.history, objective) is metrics)
            if on_model and metrics.is_finite:
                on_model(metrics.epoch, model)
            answer = on_epoch(metrics) if on_epoch else None
            if not metrics.is_finite:
                raise _diverged(metrics, config)
            if answer == "stop":
                break
    return TrainResult(model, tuple(run.history), best_epoch(run.history, objective))


def best_epoch(history: Sequence[EpochMetrics], objective: Objective) -> EpochMetrics:
    """The epoch with the best value of the objective; of equals, and where none is finite, the first."""
    return history[objective.best_index([getattr(metrics, objective.metric) for metrics in history])]


def check_resumable(config: TrainConfig, found: TrainConfig, history: Sequence[EpochMetrics], *, source: Path) -> None:
    """Refuse to go on with `config` from a run of the config `found` and this history.

    Raises `CheckpointError` if the configs differ in more than device and, under a constant learning rate, epochs, or
    fewer epochs are asked for than there are, and `DivergedError` if the last of them is not finite.
    """
    epochs = found.epochs if config.schedule == "constant" else config.epochs  # a schedule is stretched over them
    old, new = found.to_mapping(), config.replace(epochs=epochs, device=found.device).to_mapping()
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if names:
        differences = ", ".join(f"{name} is {old.get(name)!r} there and {new.get(name)!r} here" for name in names)
        raise CheckpointError(
            f"{source}: belongs to another config: {differences}", hint="resume with the config.toml of the same run"
        )
    if len(history) > config.epochs:
        raise CheckpointError(
            f"{source}: has {len(history)} epochs behind it, more than epochs = {config.epochs}",
            hint=f"resume with epochs = {len(history)} or more",
        )
    if history and not history[-1].is_finite:
        raise _diverged(history[-1], config)


@dataclass
class _Run:
    """What changes while training goes on, and what a checkpoint must therefore hold."""

    config: TrainConfig
    network: nn.Module
    optimizer: Optimizer
    generator: torch.Generator
    history: list[EpochMetrics] = field(default_factory=list)

    @classmethod
    def start(cls, config: TrainConfig, device: torch.device, data: TrainingData) -> _Run:
        """Draw fresh weights from the config's seed."""
        run = cls._build(config, device)
        start_table(run.network, data)
        return run

    @classmethod
    def _build(cls, config: TrainConfig, device: torch.device) -> _Run:
        generator = torch.Generator().manual_seed(config.seed)
        network = build(config, generator=generator).to(device)
        return cls(config, network, optimization.make_optimizer(network, config), generator)

    @classmethod
    def resume(cls, config: TrainConfig, device: torch.device, path: Path) -> _Run:
        """Take up the run that a checkpoint holds; only the number of epochs and the device may differ."""
        checkpoint = checkpoints.load_checkpoint(path)
        check_resumable(config, checkpoint.config, checkpoint.history, source=path)
        run = cls._build(config, device)
        tensor_files.load_weights(run.network, checkpoint.weights, source=path)
        _load_optimizer(run.optimizer, checkpoint.optimizer, source=path)
        _load_generator(run.generator, checkpoint.generator, source=path)
        run.history = list(checkpoint.history)
        return run

    def checkpoint(self) -> Checkpoint:
        """All of it, as of now."""
        state = self.optimizer.state_dict()["state"]
        return Checkpoint(
            config=self.config,
            history=tuple(self.history),
            weights=self.network.state_dict(),
            optimizer={f"{index}.{name}": tensor for index, kept in state.items() for name, tensor in kept.items()},
            generator=self.generator.get_state(),
        )


def start_table(network: nn.Module, data: TrainingData) -> None:
    """Let a fresh network's grey table, if it has one, begin as the histogram of the training pixels."""
    if isinstance(network, ExtendedNet) and network.grey_table is not None:
        table = floors.fit_grey_table(data.train_images, data.palette)
        network.grey_table.start_from(torch.from_numpy(table).float())


def _one_epoch(run: _Run, trainer: Trainer, validation: ImageSet, palette: Float[Tensor, "k d"]) -> EpochMetrics:
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


def _write(folder: Path, run: _Run, model: Model, *, is_best: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if is_best:
        checkpoints.save_model(folder / BEST_MODEL, model)
    checkpoints.save_checkpoint(folder / LAST_CHECKPOINT, run.checkpoint())


def _load_optimizer(optimizer: Optimizer, kept: Mapping[str, Tensor], *, source: Path) -> None:
    """Put Adam's state back, laid out in memory as its weights are: fused Adam takes no notice of strides."""
    groups = optimizer.state_dict()["param_groups"]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    try:
        for index, weight in enumerate(weights):
            moments = {name: kept[f"{index}.{name}"].reshape(weight.shape) for name in _MOMENTS}
            state[index] = {name: torch.empty_like(weight).copy_(moment) for name, moment in moments.items()}
            state[index]["step"] = kept[f"{index}.step"].reshape(())
        optimizer.load_state_dict({"state": state, "param_groups": groups})
    except (KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{source}: its optimizer state does not fit: {error}") from error


def _load_generator(generator: torch.Generator, state: Tensor, *, source: Path) -> None:
    try:
        generator.set_state(state)
    except (RuntimeError, TypeError) as error:
        raise CheckpointError(f"{source}: its generator state does not fit: {error}") from error


def _diverged(metrics: EpochMetrics, config: TrainConfig) -> DivergedError:
    return DivergedError(
        f"training diverged in epoch {metrics.epoch}: train loss {metrics.train_loss}, validation loss {metrics.val_loss}",
        hint=f"a learning_rate below {config.learning_rate:g} may hold",
    )
