"""Layers are described as they run: sizes, work, receptive fields and skip connections."""

import pytest
import torch
from torch import Tensor, nn

from colournet.config import MODELS, TrainConfig
from colournet.layers import Description, describe, describe_filter, describe_network
from colournet.models import build, count_parameters
from study.cost import multiply_adds

SIZES = [(3, 32, 24, 2), (5, 3, 7, 3), (1, 1, 2, 2), (7, 4, 5, 4)]


def make_config(model: str, k: int = 3, f: int = 2, c: int = 3, dilation: int = 2) -> TrainConfig:
    values = {"model": model, "kernel_size": k, "num_filters": f, "num_colours": c}
    return TrainConfig.from_mapping(values | ({"dilation": dilation} if model == "dilated_unet" else {}))


def field_by_gradient(network: nn.Module, *, side: int, period: int) -> int:
    """Side of the square of input pixels on which an output pixel depends, measured.

    With positive weights and inputs every ReLU is open and nothing cancels; means in place of maxima let every pixel of a
    pool take part. The output pixels of one period of the pools and up-samplings are tried.
    """
    network = network.double().eval()
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.MaxPool2d):
            network.get_submodule(name.rpartition(".")[0]).register_module(
                name.rpartition(".")[2], nn.AvgPool2d(module.kernel_size, module.stride)
            )
    for parameter in network.parameters():
        parameter.data.fill_(1 / parameter[0].numel())
    images = torch.ones(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    output = network(images)
    middle = output.shape[-1] // 2
    widest = 0
    for place in range(middle, middle + period):
        (gradient,) = torch.autograd.grad(output[0, 0, place, place], images, retain_graph=True)
        rows, columns = (gradient[0, 0] > 0).nonzero(as_tuple=True)
        extents = [int(places.max() - places.min()) + 1 for places in (rows, columns)]
        assert extents[0] == extents[1] < side
        assert rows.min() > 0
        assert rows.max() < side - 1
        widest = max(widest, extents[0])
    return widest


@pytest.mark.parametrize(
    ("model", "kernel", "dilation"),
    [
        ("regression_cnn", 3, 1),
        ("cnn", 1, 1),
        ("cnn", 3, 1),
        ("unet", 5, 1),
        ("unet", 1, 1),
        ("dilated_unet", 3, 2),
        ("dilated_unet", 3, 4),
        ("dilated_unet", 5, 3),
    ],
)
def test_receptive_field(model: str, kernel: int, dilation: int) -> None:
    """The receptive field of the whole network is where the gradient of an output pixel is not zero."""
    config = make_config(model, kernel, dilation=dilation)

    assert describe(config).receptive_field == field_by_gradient(build(config), side=160, period=4)


class Other(nn.Module):
    """What the assignment has not: strides, a transposed convolution, a residual connection, two layers in a block."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 2, 5, stride=2, padding=2), nn.ReLU(), nn.Conv2d(2, 2, 3, padding=1))
        self.middle = nn.Conv2d(2, 2, 3, padding=3, dilation=3)
        self.up = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
        self.last = nn.Conv2d(3, 2, 1)

    def forward(self, grey: Tensor) -> Tensor:
        down = self.down(grey)
        up = self.up(down + self.middle(down))
        return self.last(torch.cat([up, grey], dim=1))


def test_another_network() -> None:
    """Nothing depends on the assignment's layers: strides, transposed convolutions, sums and long blocks are followed."""
    description = describe_network(Other(), image_size=16)

    assert [layer.name for layer in description.layers] == ["down.0", "down.2", "middle", "up", "last"]
    assert [layer.output_size for layer in description.layers] == [8, 8, 8, 16, 16]
    assert [layer.sources for layer in description.layers[2:]] == [("down",), ("down", "middle"), ("up", "grey")]
    assert [layer.multiply_adds for layer in description.layers] == [3200, 2304, 2304, 4096, 1536]
    assert description.receptive_field == field_by_gradient(Other(), side=80, period=2)


@pytest.mark.parametrize(("k", "f", "c", "dilation"), SIZES)
@pytest.mark.parametrize("model", MODELS)
def test_totals(model: str, k: int, f: int, c: int, dilation: int) -> None:
    """The work is what the study service reckons without torch, the parameters are the network's own."""
    config = make_config(model, k, f, c, dilation)

    description = describe(config)

    assert description.multiply_adds == multiply_adds(config)
    assert description.parameters == count_parameters(config)
    convolutions = [module for module in build(config).modules() if isinstance(module, nn.Conv2d)]
    assert description.weights == sum(module.weight.numel() for module in convolutions)


def column(description: Description, name: str) -> list[object]:
    return [getattr(layer, name) for layer in description.layers]


def test_the_assignments_unet() -> None:
    """The layers of the UNet with the assignment's settings, as its text asks for them."""
    description = describe(TrainConfig())

    blocks = ["downconv1", "downconv2", "rfconv", "upconv1", "upconv2", "finalconv"]
    assert column(description, "name") == blocks
    assert column(description, "filters") == [32, 64, 64, 32, 24, 24]
    assert column(description, "channels_in") == [1, 32, 64, 128, 64, 25]
    assert column(description, "output_size") == [16, 8, 8, 16, 32, 32]
    assert column(description, "receptive_field") == [4, 10, 18, 26, 30, 34]
    assert column(description, "sources")[3:] == [
        ("rfconv", "downconv2"),
        ("upconv1", "downconv1"),
        ("upconv2", "grey"),
    ]


def test_a_network_is_left_alone() -> None:
    """Describing changes neither weights nor mode nor hooks."""
    network = build(TrainConfig(num_filters=2)).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    describe_network(network, image_size=8)

    assert network.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize(
    ("side", "dilation", "weights", "field"), [(3, 1, 9, 3), (5, 1, 25, 5), (3, 2, 9, 5), (7, 4, 49, 25), (1, 9, 1, 1)]
)
def test_filters(side: int, dilation: int, weights: int, field: int) -> None:
    """Section D: a gap widens the field of a filter and costs no weight."""
    found = describe_filter(side, dilation)

    assert (found.weights, found.receptive_field) == (weights, field)


def test_no_filter() -> None:
    """A filter without pixels is refused."""
    with pytest.raises(ValueError, match="got 0 and 1"):
        describe_filter(0)


def test_an_unknown_operation() -> None:
    """An operation that moves pixels in a way without a rule is told, not guessed."""
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2, mode="bilinear"))

    with pytest.raises(NotImplementedError, match="bilinear"):
        describe_network(network, image_size=8)


def test_the_widest_of_summed_parts_counts() -> None:
    """A grey table added to the logits sees one pixel; what it is added to sees as much as without it."""
    config = make_config("unet")

    assert describe(config.replace(grey_table=True)).receptive_field == describe(config).receptive_field
