"""Learning-rate schedules, and which weights decay."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from colournet.config import SCHEDULES, TrainConfig
from colournet.models import build
from colournet.optimization import make_optimizer, set_learning_rate, share_of_rate


def test_constant() -> None:
    """Without a schedule the rate stays."""
    assert {share_of_rate("constant", done) for done in (0.0, 0.5, 0.999)} == {1.0}


def test_cosine() -> None:
    """The rate falls from all to nothing, half of it at half time."""
    assert [share_of_rate("cosine", done) for done in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.5, 0])


def test_one_cycle() -> None:
    """The rate rises from a twenty-fifth to all in three tenths of the time, then falls to nothing."""
    shares = [share_of_rate("one_cycle", done) for done in (0.0, 0.15, 0.3, 0.65, 1.0)]

    assert shares == pytest.approx([0.04, 0.52, 1, 0.5, 0])


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rate_of_a_step(schedule: str) -> None:
    """Every group of weights gets the rate of the moment."""
    config = TrainConfig(schedule=schedule, learning_rate=0.5, weight_decay=0.1, num_filters=2)
    optimizer = make_optimizer(build(config), config)

    set_learning_rate(optimizer, config, done=0.25)

    assert [group["lr"] for group in optimizer.param_groups] == [0.5 * share_of_rate(schedule, 0.25)] * 2


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_optimizer(name: str, kind: type) -> None:
    """The optimizer is the one named; without weight decay all weights are in one group, in the network's order."""
    config = TrainConfig(optimizer=name, num_filters=2)
    network = build(config)

    optimizer = make_optimizer(network, config)

    assert type(optimizer).__base__ is kind
    (group,) = optimizer.param_groups
    assert [id(weight) for weight in group["params"]] == [id(weight) for weight in network.parameters()]
    assert group["weight_decay"] == 0


@pytest.mark.parametrize(("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_steps_are_torchs(name: str, kind: type[torch.optim.Adam]) -> None:
    """The weights after some steps, and what is kept of them, are those of torch's own optimizer to the bit."""
    config = TrainConfig(optimizer=name, num_filters=2, weight_decay=0.1, learning_rate=0.01)

    def trained(make: Callable[[nn.Module], torch.optim.Optimizer]) -> list[torch.Tensor]:
        network = build(config, generator=torch.Generator().manual_seed(0))
        optimizer = make(network)
        for step in range(3):
            optimizer.zero_grad()
            network(torch.full((2, 1, 32, 32), float(step))).square().mean().backward()
            optimizer.step()
        kept = optimizer.state_dict()["state"].values()
        return [*network.parameters(), *(tensor for tensors in kept for tensor in tensors.values())]

    def torchs(network: nn.Module) -> torch.optim.Optimizer:
        groups = make_optimizer(network, config).param_groups
        plain = [{"params": group["params"], "weight_decay": group["weight_decay"]} for group in groups]
        return kind(plain, lr=0.01, fused=True)

    ours, theirs = trained(lambda network: make_optimizer(network, config)), trained(torchs)

    assert len(ours) == len(theirs)
    assert all(map(torch.equal, ours, theirs))


def test_training_loads_no_compiler(tmp_path: Path) -> None:
    """torch's compiler, which takes seconds to load, is loaded neither by training nor by going on from a checkpoint."""
    script = """
import sys
from pathlib import Path
from colournet.config import TrainConfig
from colournet.data import prepare
from colournet.training import train

config = TrainConfig(dataset="scenes", train_images=10, num_filters=2, num_colours=4, epochs=1, batch_size=5)
data = prepare(config).for_run(config)
train(config, data, checkpoint_dir=Path())
train(config.replace(epochs=2), data, resume_from=Path("last.safetensors"))
assert "torch.optim" in sys.modules
assert "torch._dynamo" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_what_decays() -> None:
    """Only convolution weights are pulled to zero: a grey table of log-probabilities would be pulled to ignorance."""
    config = TrainConfig(optimizer="adamw", weight_decay=0.1, grey_table=True, num_filters=2)
    network = build(config)

    groups = make_optimizer(network, config).param_groups

    decays = {id(weight): group["weight_decay"] for group in groups for weight in group["params"]}
    assert len(decays) == len(list(network.parameters()))
    for name, weight in network.named_parameters():
        is_convolution = weight.dim() == 4
        assert decays[id(weight)] == (0.1 if is_convolution else 0), name
