"""The networks are the assignment's, tensor for tensor."""

import numpy as np
import pytest
import torch
from torch import Tensor

from colournet import cifar10
from colournet.batches import ImageSet
from colournet.config import MODELS, TrainConfig
from colournet.errors import ConfigError
from colournet.evaluation import score
from colournet.models import build, count_parameters
from colournet.palette import quantize

Shapes = dict[str, tuple[int, ...]]


def make_config(model: str, **settings: int) -> TrainConfig:
    return TrainConfig.from_mapping({"model": model, **settings})


def shapes_of(weights: dict[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}


def assignment_shapes(model: str, *, k: int, f: int, c: int) -> Shapes:
    """The shapes of the assignment's state dict: convolution, pool or up-sampling, BatchNorm, ReLU in each block.

    A UNet's last three convolutions see the channels of a mirror block as well.
    """
    skips = (2 * f, f, 1) if "unet" in model else (0, 0, 0)
    convolutions = {
        "downconv1.0": (1, f),
        "downconv2.0": (f, 2 * f),
        "rfconv.0": (2 * f, 2 * f),
        "upconv1.0": (2 * f + skips[0], f),
        "upconv2.0": (f + skips[1], c),
        "finalconv": (c + skips[2], c),
    }
    norms = {"downconv1.2": f, "downconv2.2": 2 * f, "rfconv.1": 2 * f, "upconv1.2": f, "upconv2.2": c}
    shapes: Shapes = {}
    for name, (channels_in, channels_out) in convolutions.items():
        shapes |= {f"{name}.weight": (channels_out, channels_in, k, k), f"{name}.bias": (channels_out,)}
    for name, channels in norms.items():
        shapes |= {f"{name}.{kind}": (channels,) for kind in ("weight", "bias", "running_mean", "running_var")}
        shapes[f"{name}.num_batches_tracked"] = ()
    return shapes


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("k", "f", "c"), [(3, 32, 24), (5, 3, 7), (1, 1, 2)])
def test_state_dict(model: str, k: int, f: int, c: int) -> None:
    """Keys and shapes are the assignment's."""
    network = build(make_config(model, kernel_size=k, num_filters=f, num_colours=c))

    outputs = 3 if model == "regression_cnn" else c
    assert shapes_of(network.state_dict()) == assignment_shapes(model, k=k, f=f, c=outputs)


@pytest.mark.parametrize("filters", [16, 32])
@pytest.mark.parametrize(
    ("model", "name"),
    [("regression_cnn", "regression_cnn"), ("cnn", "cnn"), ("unet", "unet"), ("dilated_unet", "dunet")],
)
def test_course_weights_load(model: str, name: str, filters: int, course_weights: dict[str, dict[str, Tensor]]) -> None:
    """The course's weight files fit; they lack nothing but the counters that their PyTorch did not have."""
    network = build(make_config(model, num_filters=filters))

    result = network.load_state_dict(course_weights[f"{name}_k3_f{filters}"], strict=False)

    assert not result.unexpected_keys
    assert all(key.endswith(".num_batches_tracked") for key in result.missing_keys)


@pytest.mark.cifar
@pytest.mark.parametrize(("model", "loss", "accuracy"), [("cnn", 1.588, 0.411), ("unet", 1.366, 0.480)])
def test_course_weights_work(
    model: str,
    loss: float,
    accuracy: float,
    cifar_dir: object,
    course_weights: dict[str, dict[str, Tensor]],
    course_palette: np.ndarray,
) -> None:
    """With the course's weights the networks score as published; channels joined in another order lose 0.4 and more."""
    network = build(make_config(model))
    network.load_state_dict(course_weights[f"{model}_k3_f32"], strict=False)
    images = cifar10.read(cifar10.locate(cifar_dir), split="test", classes=["horse"])["horse"][:300]
    horses = ImageSet.on(torch.device("cpu"), images, quantize(images, course_palette))

    scores = score(network, horses, torch.from_numpy(course_palette), regression=False)

    assert scores.loss == pytest.approx(loss, abs=0.1)
    assert scores.accuracy == pytest.approx(accuracy, abs=0.04)


@pytest.mark.parametrize("dilation", [2, 3, 16])
@pytest.mark.parametrize("kernel_size", range(1, 16, 2))
def test_dilated_size(kernel_size: int, dilation: int) -> None:
    """No dilation of any kernel changes the size of the image."""
    config = make_config("dilated_unet", kernel_size=kernel_size, dilation=dilation, num_filters=1, num_colours=2)

    assert build(config)(torch.zeros(1, 1, 8, 12)).shape == (1, 2, 8, 12)


@pytest.mark.parametrize("model", ["regression_cnn", "cnn", "unet"])
@pytest.mark.parametrize("kernel_size", range(1, 16, 2))
def test_size(model: str, kernel_size: int) -> None:
    """No kernel changes the size of the image; a regression answers three channels."""
    config = make_config(model, kernel_size=kernel_size, num_filters=1, num_colours=5)

    channels = 3 if model == "regression_cnn" else 5
    assert build(config)(torch.zeros(2, 1, 8, 12)).shape == (2, channels, 8, 12)


def test_dilation_spreads_taps() -> None:
    """Dilation 2 leaves one gap between taps: a middle pixel sees others at a distance of 2, and none at 1."""
    convolution = build(make_config("dilated_unet", num_filters=1)).rfconv[0]
    convolution.weight.data.fill_(1)
    convolution.bias.data.fill_(0)
    picture = torch.zeros(1, 2, 7, 7)
    picture[:, :, 3, 3] = 1

    seen = convolution(picture)[0, 0].nonzero()

    assert seen.tolist() == [[y, x] for y in (1, 3, 5) for x in (1, 3, 5)]


@pytest.mark.parametrize("model", MODELS)
def test_count_parameters(model: str) -> None:
    """The count without allocation is that of the network."""
    config = make_config(model, kernel_size=5, num_filters=3)

    assert count_parameters(config) == sum(parameter.numel() for parameter in build(config).parameters())


def test_initial_weights_come_from_the_generator() -> None:
    """The same generator gives the same weights, whatever the global generator is at; another one gives others."""
    config = make_config("unet", num_filters=2)

    torch.manual_seed(1)
    first = build(config, generator=torch.Generator().manual_seed(5)).state_dict()
    torch.manual_seed(2)
    second = build(config, generator=torch.Generator().manual_seed(5)).state_dict()
    other = build(config, generator=torch.Generator().manual_seed(6)).state_dict()

    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["finalconv.weight"], other["finalconv.weight"])


def test_initial_weights_are_bounded() -> None:
    """Weights and biases are drawn within 1 / sqrt(fan in), and fill that range."""
    first = build(make_config("cnn", num_filters=64)).downconv2[0]

    bound = (64 * 9) ** -0.5
    assert 0.99 * bound < first.weight.abs().max() <= bound
    assert first.bias.abs().max() <= bound


def test_too_many_colours() -> None:
    """A last convolution of colours to colours that no memory holds is refused, before it is made; others are not."""
    with pytest.raises(
        ConfigError, match="num_colours = 20000 gives the last convolution 3,600,000,000 weights"
    ) as caught:
        build(make_config("unet", num_colours=20_000))

    assert "full_resolution_skip" in str(caught.value.hint)
    assert (
        count_parameters(make_config("unet", num_colours=20_000, full_resolution_skip=True, num_filters=4)) < 1_000_000
    )
    assert count_parameters(make_config("regression_cnn", num_colours=65_536)) < 100_000


def test_a_regression_of_chroma() -> None:
    """A regression of chroma is the assignment's network with two outputs for three."""
    network = build(TrainConfig(model="regression_cnn", colour_space="lab", kernel_size=5, num_filters=3))

    assert shapes_of(network.state_dict()) == assignment_shapes("regression_cnn", k=5, f=3, c=2)
