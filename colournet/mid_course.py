"""A training run in mid-course: its network, optimizer, generator and history, fresh or from a checkpoint, and back into one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from colournet import checkpoints, floors, optimization, tensor_files
from colournet.checkpoints import Checkpoint, Model
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.errors import CheckpointError, DivergedError
from colournet.extended import ExtendedNet
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.names import BEST_MODEL, LAST_CHECKPOINT
from colournet.objective import Objective
from colournet.optimization import Optimizer

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class Run:
    """What changes while training goes on, and what a checkpoint must therefore hold."""

    config: TrainConfig
    network: nn.Module
    optimizer: Optimizer
    generator: torch.Generator
    history: list[EpochMetrics] = field(default_factory=list)

    @classmethod
    def start(cls, config: TrainConfig, device: torch.device, data: TrainingData) -> Run:
        """Draw fresh weights from the config's seed."""
        run = cls._build(config, device)
        _start_table(run.network, data)
        return run

    @classmethod
    def resume(cls, config: TrainConfig, device: torch.device, path: Path) -> Run:
        """Take up the run that a checkpoint holds; only the number of epochs and the device may differ."""
        checkpoint = checkpoints.load_checkpoint(path)
        check_resumable(config, checkpoint.config, checkpoint.history, source=path)
        run = cls._build(config, device)
        tensor_files.load_weights(run.network, checkpoint.weights, source=path)
        _load_optimizer(run.optimizer, checkpoint.optimizer, source=path)
        _load_generator(run.generator, checkpoint.generator, source=path)
        run.history = list(checkpoint.history)
        return run

    @classmethod
    def _build(cls, config: TrainConfig, device: torch.device) -> Run:
        generator = torch.Generator().manual_seed(config.seed)
        network = build(config, generator=generator).to(device)
        return cls(config, network, optimization.make_optimizer(network, config), generator)

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

    def write(self, folder: Path, model: Model, objective: Objective) -> None:
        """Leave the checkpoint in a folder and, if the latest epoch is the best so far, the model."""
        folder.mkdir(parents=True, exist_ok=True)
        if best_epoch(self.history, objective) is self.history[-1]:
            checkpoints.save_model(folder / BEST_MODEL, model)
        checkpoints.save_checkpoint(folder / LAST_CHECKPOINT, self.checkpoint())


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
        raise diverged(history[-1], config)


def diverged(metrics: EpochMetrics, config: TrainConfig) -> DivergedError:
    """The error of a run whose latest epoch has a loss that is not finite."""
    return DivergedError(
        f"training diverged in epoch {metrics.epoch}: train loss {metrics.train_loss}, validation loss {metrics.val_loss}",
        hint=f"a learning_rate below {config.learning_rate:g} may hold",
    )


def _start_table(network: nn.Module, data: TrainingData) -> None:
    """Let a fresh network's grey table, if it has one, begin as the histogram of the training pixels."""
    if isinstance(network, ExtendedNet) and network.grey_table is not None:
        table = floors.fit_grey_table(data.train_images, data.palette)
        network.grey_table.start_from(torch.from_numpy(table).float())


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
