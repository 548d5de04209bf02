"""Learning-rate schedules, and which weights decay."""

import pytest
import torch

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

    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert [id(weight) for weight in group["params"]] == [id(weight) for weight in network.parameters()]
    assert group["weight_decay"] == 0


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
