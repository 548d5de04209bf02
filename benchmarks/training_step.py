"""How much faster a training step on one CPU thread is than that of the assignment's own loop, with the same losses.

Three contenders take turns, a few steps at a time, from the same weights over the same batches: the assignment's loop as it
is written there, our loop over the layers as they stand (`form = "reference"`), and our loop as new runs are trained.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.figures import figure, goal, ratios
from colournet.batches import ImageSet
from colournet.config import TrainConfig
from colournet.data import TrainingData, prepare
from colournet.devices import deterministic, threads
from colournet.models import build
from colournet.optimization import make_optimizer
from colournet.steps import Trainer

_CONFIG = TrainConfig(dataset="scenes", model="unet", kernel_size=3, num_filters=32, batch_size=100, train_images=400)
_TOLD = ("dataset", "model", "kernel_size", "num_filters", "batch_size", "train_images")
_ROUNDS = 15
_MOST_DIFFERENCE = 1e-3  # rounding grows: another number of threads differs as much
_CPU = torch.device("cpu")


class Contender(Protocol):
    """Someone who trains a network of his own."""

    def lay_out(self, seed: int) -> None:
        """Get ready for a round, before the clock starts: images come in the order that a generator of this seed gives."""

    def run(self) -> float:
        """Train on all images once; answer their mean loss."""


class Assignment:
    """The assignment's `train`: arrays of 64 bits, shuffled beforehand, a copy a batch, a loss read a step."""

    def __init__(self, data: TrainingData) -> None:
        self._grey = np.mean(data.train_images / 256.0, axis=1, keepdims=True)
        self._categories = data.train_labels[:, None].astype(np.int64)
        self._network = build(_CONFIG).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=_CONFIG.learning_rate)
        self._criterion = nn.CrossEntropyLoss()

    def lay_out(self, seed: int) -> None:
        order = torch.randperm(len(self._grey), generator=torch.Generator().manual_seed(seed)).numpy()
        self._arrays = self._grey[order], self._categories[order]

    def run(self) -> float:
        self._network.train()
        losses = []
        for xs, ys in self._batches():
            images, labels = torch.from_numpy(xs).float(), torch.from_numpy(ys).long()
            self._optimizer.zero_grad()
            outputs = self._network(images)
            loss = self._loss(outputs, labels)
            loss.backward()
            self._optimizer.step()
            losses.append(loss.data.item())
        return float(np.mean(losses))

    def _batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        x, y = self._arrays
        for i in range(0, len(x), _CONFIG.batch_size):
            yield x[i : i + _CONFIG.batch_size], y[i : i + _CONFIG.batch_size]

    def _loss(self, outputs: Tensor, labels: Tensor) -> Any:
        flat = outputs.transpose(1, 3).contiguous().view([-1, _CONFIG.num_colours])
        return self._criterion(flat, labels.transpose(1, 3).contiguous().view([-1]))


class Ours:
    """What `colournet train` does in an epoch but for validating."""

    def __init__(self, data: TrainingData, form: str) -> None:
        images, network = ImageSet.on(_CPU, data.train_images, data.train_labels), build(_CONFIG)
        config = _CONFIG.replace(form=form)
        self._trainer = Trainer(network, make_optimizer(network, config), images, config)

    def lay_out(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def run(self) -> float:
        return self._trainer.epoch(behind=0, generator=self._generator)


@dataclass
class Tally:
    """What came of a contender's rounds."""

    wall: list[float] = field(default_factory=list)
    """Seconds a round."""
    cpu: list[float] = field(default_factory=list)
    """Seconds of one core a round, which other work on the machine lengthens less."""
    losses: list[float] = field(default_factory=list)

    def add(self, contender: Contender, seed: int) -> None:
        """Let a contender have its turn."""
        contender.lay_out(seed)
        wall, cpu = time.perf_counter(), time.process_time()
        loss = contender.run()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        self.losses.append(loss)


def measure(rounds: int = _ROUNDS) -> dict[str, Any]:
    """Let the contenders take turns for so many rounds, and one before them that counts for the losses alone."""
    data = prepare(_CONFIG).for_run(_CONFIG)
    contenders: dict[str, Contender] = {
        "assignment": Assignment(data),
        "reference": Ours(data, "reference"),
        "fast": Ours(data, "fast"),
    }
    tallies = {name: Tally() for name in contenders}
    with threads(1), deterministic():
        for seed in range(rounds + 1):
            names = list(contenders)[seed % 3 :] + list(contenders)[: seed % 3]  # none is always the first
            for name in names:
                tallies[name].add(contenders[name], seed)
    return _result(tallies, images=len(data.train_images))


def _result(tallies: dict[str, Tally], *, images: int) -> dict[str, Any]:
    slow, plain, fast = (tallies[name] for name in ("assignment", "reference", "fast"))
    return {
        "sizes": {**{name: getattr(_CONFIG, name) for name in _TOLD}, "steps_a_round": images // _CONFIG.batch_size},
        "goals": [
            goal("images a second, ours over the assignment's loop", _faster(slow, fast), unit="x", at_least=1.8),
            goal(
                "difference of a round's mean loss, ours from the assignment's loop",
                _differences(slow, fast),
                unit="of the loss",
                at_most=_MOST_DIFFERENCE,
            ),
        ],
        "figures": [
            figure("the same by CPU time", ratios(slow.cpu[1:], fast.cpu[1:]), unit="x"),
            figure("ours over the layers as they stand", _faster(plain, fast), unit="x"),
            figure("the layers as they stand over the assignment's loop", _faster(slow, plain), unit="x"),
            figure("difference of loss, the layers as they stand", _differences(slow, plain), unit="of the loss"),
            *(
                figure(f"{name}: images a second", [images / seconds for seconds in tally.wall[1:]], unit="images/s")
                for name, tally in tallies.items()
            ),
        ],
        "losses": {name: tally.losses for name, tally in tallies.items()},
    }


def _faster(slow: Tally, fast: Tally) -> list[float]:
    """How many times faster, round by round, the first left out: it warms up."""
    return ratios(slow.wall[1:], fast.wall[1:])


def _differences(one: Tally, other: Tally) -> list[float]:
    return [abs(mine - theirs) / theirs for mine, theirs in zip(other.losses, one.losses, strict=True)]
