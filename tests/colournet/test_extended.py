"""The further choices: each changes one thing of the assignment's network, and none changes the size of the image."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from colournet import floors
from colournet.batches import as_tensor, grey
from colournet.config import TrainConfig
from colournet.data import TrainingData
from colournet.extended import GREY_LEVELS, ExtendedNet, GreyTable
from colournet.models import build, count_parameters

CHOICES: list[dict[str, Any]] = [
    {"down_sampling": "stride"},
    {"depth": 3},
    {"depth": 4, "down_sampling": "stride", "kernel_size": 5},
    {"full_resolution_skip": True},
    {"residual_blocks": 2},
    {"grey_table": True},
    {"model": "cnn", "down_sampling": "stride", "depth": 3, "residual_blocks": 1, "grey_table": True},
    {"model": "regression_cnn", "down_sampling": "stride", "residual_blocks": 1},
    {"model": "dilated_unet", "dilation": 3, "full_resolution_skip": True, "residual_blocks": 1, "grey_table": True},
]


def name_of(choices: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in choices.items())


def make_config(**choices: Any) -> TrainConfig:
    return TrainConfig.from_mapping({"num_filters": 3, "num_colours": 5, **choices})


@pytest.mark.parametrize("model", ["cnn", "unet", "dilated_unet", "regression_cnn"])
def test_without_choices_it_is_the_assignments(model: str) -> None:
    """With no further choice and the same weights, the extended network answers what the assignment's does."""
    config = make_config(model=model)
    original, extended = build(config).eval(), ExtendedNet(config).eval()
    extended.load_state_dict(in_order(extended, original))
    images = torch.rand(2, 1, 8, 12, generator=torch.Generator().manual_seed(1))

    assert isinstance(original, nn.Module)
    assert not isinstance(original, ExtendedNet)
    torch.testing.assert_close(extended(images), original(images))


def in_order(target: nn.Module, source: nn.Module) -> dict[str, Tensor]:
    """The tensors of one network under the names of another; both list their layers in the order of use."""
    return dict(zip(target.state_dict(), source.state_dict().values(), strict=True))


@pytest.mark.parametrize("choices", CHOICES, ids=name_of)
def test_size(choices: dict[str, Any]) -> None:
    """The answer has the image's size and as many channels as there are colours, or three for a regression."""
    config = make_config(**choices)
    side = config.side_multiple

    answer = build(config)(torch.zeros(2, 1, side, 2 * side))

    assert answer.shape == (2, config.num_outputs, side, 2 * side)


@pytest.mark.parametrize("choices", CHOICES, ids=name_of)
def test_every_weight_is_used(choices: dict[str, Any]) -> None:
    """Every weight has a gradient, once the last convolution is not zero; the count without allocation is right."""
    config = make_config(**choices)
    network = build(config)
    assert isinstance(network, ExtendedNet)
    nn.init.ones_(network.finalconv.weight)

    network(torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1))).square().sum().backward()

    assert all(parameter.grad is not None for parameter in network.parameters())
    assert count_parameters(config) == sum(parameter.numel() for parameter in network.parameters())


def test_initial_weights_come_from_the_generator() -> None:
    """Transposed convolutions are drawn from it like the others."""
    config = make_config(down_sampling="stride")

    torch.manual_seed(1)
    first = build(config, generator=torch.Generator().manual_seed(5)).state_dict()
    torch.manual_seed(2)
    second = build(config, generator=torch.Generator().manual_seed(5)).state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_end_sees_more_than_one_grey_pixel() -> None:
    """With a full-resolution skip the last convolutions see a pixel's neighbours even where all below is silent."""
    network = build(make_config(full_resolution_skip=True)).eval()
    assert isinstance(network, ExtendedNet)
    for up in network.upconvs:
        for parameter in up.parameters():
            nn.init.zeros_(parameter)
    picture = torch.zeros(1, 1, 16, 16)
    dotted = picture.clone()
    dotted[0, 0, 8, 8] = 1

    changed = (network(dotted) != network(picture)).any(dim=1)[0].nonzero()

    assert changed.min() == 8 - 3
    assert changed.max() == 8 + 3


def test_grey_table_interpolates() -> None:
    """A level's logits hold in the middle of its interval; between two middles they are mixed, beyond the last not."""
    table = GreyTable(1)
    with torch.no_grad():
        table.logits[0] = torch.arange(GREY_LEVELS, dtype=torch.float32) ** 2
    levels = torch.tensor([0.0, 0.5, 10.5, 11.0, 63.5, 63.999])

    found = table((levels / GREY_LEVELS).reshape(1, 1, 1, -1)).flatten()

    torch.testing.assert_close(found, torch.tensor([0.0, 0.0, 100.0, 110.5, 63.0**2, 63.0**2]))


def test_grey_table_starts_from_the_floor(training_data: TrainingData) -> None:
    """In the middle of each level the table's probabilities are the floor's, and the network adds nothing yet."""
    probabilities = floors.fit_grey_table(training_data.train_images, training_data.palette)
    network = build(make_config(num_colours=8, grey_table=True)).eval()
    assert isinstance(network, ExtendedNet)
    assert network.grey_table is not None
    network.grey_table.start_from(torch.from_numpy(probabilities).float())
    middles = ((torch.arange(GREY_LEVELS) + 0.5) / GREY_LEVELS).reshape(1, 1, 8, 8)

    answer = network(middles).softmax(dim=1)

    np.testing.assert_allclose(answer[0].detach().flatten(1).T.numpy(), probabilities, rtol=1e-4)


def test_grey_table_starts_near_the_floors_loss(training_data: TrainingData) -> None:
    """On whole images its cross-entropy is the floor's, to what interpolation makes of it."""
    images, labels = training_data.train_images, training_data.train_labels
    floor = floors.measure(images, images, training_data.palette)["grey_table"]["cross_entropy"]
    table = GreyTable(8)
    table.start_from(torch.from_numpy(floors.fit_grey_table(images, training_data.palette)).float())

    loss = nn.functional.cross_entropy(table(grey(as_tensor(images))), as_tensor(labels).long())

    assert loss.item() == pytest.approx(floor, abs=0.05)
