"""What is told of a network's cost is what it computes."""

import pytest
import torch
from torch import Tensor, nn

from colournet.config import TrainConfig
from colournet.models import build
from study.cost import activations, multiply_adds


def answered(config: TrainConfig) -> int:
    """Numbers that the network's convolutions answer for one image, of transposed ones a quarter."""
    total = 0

    def count(layer: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output.numel() // 4 if isinstance(layer, nn.ConvTranspose2d) else output.numel()

    network = build(config)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 1, 32, 32))
    return total


def counted(config: TrainConfig) -> int:
    """Multiply-adds of the network itself, summed over its layers as one image passes."""
    total = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        places = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        total += layer.weight.numel() * places.shape[2] * places.shape[3]

    network = build(config)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 1, 32, 32))
    return total + (64 * config.num_colours * 32 * 32 if config.grey_table else 0)


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(model="cnn", kernel_size=5, num_filters=3),
        TrainConfig(model="regression_cnn", down_sampling="stride", residual_blocks=1),
        TrainConfig(model="regression_cnn", colour_space="lab", num_filters=5),
        TrainConfig(model="dilated_unet", dilation=2, depth=3, grey_table=True, num_colours=5),
        TrainConfig(down_sampling="stride", depth=4, full_resolution_skip=True, residual_blocks=2, num_filters=4),
        TrainConfig(model="cnn", depth=4, grey_table=True, num_filters=2),
        TrainConfig(full_resolution_skip=True, num_filters=8),
    ],
    ids=lambda config: config.model,
)
def test_multiply_adds(config: TrainConfig) -> None:
    """The counts, made without torch, are those of the network."""
    assert multiply_adds(config) == counted(config)
    assert activations(config) == answered(config)
