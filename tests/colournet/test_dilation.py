"""A filter spread by hand convolves as PyTorch's own dilation does."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from colournet.config import TrainConfig
from colournet.dilation import SpreadConv2d, dilated_conv2d, spread
from colournet.models import build

kernels = st.sampled_from([1, 3, 5, 7])
rates = st.integers(1, 4)
few = st.integers(1, 3)


def leaves(*shapes: tuple[int, ...], seed: int) -> list[Tensor]:
    """Random float64 tensors that gather gradients."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_() for shape in shapes]


@settings(max_examples=60, deadline=None)
@given(kernel=kernels, rate=rates, channels=few, filters=few, height=few, width=few, seed=st.integers(0, 2**31))
def test_equals_the_native_one(
    kernel: int, rate: int, channels: int, filters: int, height: int, width: int, seed: int
) -> None:
    """Outputs, and the gradients of images, weights and biases, are those of the `dilation` argument."""
    images, weight, bias = leaves(
        (2, channels, height + 4, width + 4), (filters, channels, kernel, kernel), (filters,), seed=seed
    )
    padding = rate * (kernel // 2)

    ours = dilated_conv2d(images, weight, bias, dilation=rate, padding=padding)
    native = functional.conv2d(images, weight, bias, dilation=rate, padding=padding)
    (direction,) = leaves(tuple(native.shape), seed=seed + 1)
    our_gradients = torch.autograd.grad(ours, (images, weight, bias), direction)
    native_gradients = torch.autograd.grad(native, (images, weight, bias), direction)

    torch.testing.assert_close(ours, native, rtol=1e-11, atol=1e-12)
    for our, theirs in zip(our_gradients, native_gradients, strict=True):
        torch.testing.assert_close(our, theirs, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("rate", range(1, 5))
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_every_odd_kernel_and_rate(kernel: int, rate: int) -> None:
    """No pair of kernel and rate is left to chance."""
    test_equals_the_native_one.hypothesis.inner_test(kernel, rate, 2, 2, 3, 2, 7)


def test_gradients_are_derivatives() -> None:
    """The gradients agree with finite differences, not only with PyTorch's."""
    images, weight, bias = leaves((1, 2, 5, 6), (2, 2, 3, 3), (2,), seed=0)

    assert torch.autograd.gradcheck(
        lambda *args: dilated_conv2d(*args, dilation=2, padding=2), (images, weight, bias), eps=1e-6
    )


def test_a_spread_filter() -> None:
    """The taps stand `dilation` apart and zeros are between them, as in the assignment's figure."""
    wide = spread(torch.arange(1.0, 10).reshape(1, 1, 3, 3), dilation=2)[0, 0]

    assert wide.tolist() == [
        [1, 0, 2, 0, 3],
        [0, 0, 0, 0, 0],
        [4, 0, 5, 0, 6],
        [0, 0, 0, 0, 0],
        [7, 0, 8, 0, 9],
    ]


def test_no_dilation() -> None:
    """A rate below one is refused."""
    with pytest.raises(ValueError, match="got 0"):
        spread(torch.zeros(1, 1, 3, 3), dilation=0)


@pytest.mark.parametrize("dilation", [2, 3])
def test_a_dilated_unet_built_with_it(dilation: int) -> None:
    """A dilated UNet with the spread layer in its middle answers, and learns, the same."""
    config = TrainConfig(model="dilated_unet", dilation=dilation, num_filters=3, num_colours=4)
    native, ours = build(config).double(), build(config).double()
    ours.rfconv[0] = SpreadConv2d.like(ours.rfconv[0])
    (images,) = leaves((2, 1, 16, 12), seed=3)

    outputs = [network(images) for network in (native, ours)]
    for output in outputs:
        (output**2).sum().backward()

    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-9, atol=1e-10)
    assert ours.state_dict().keys() == native.state_dict().keys()
    for our, theirs in zip(ours.parameters(), native.parameters(), strict=True):
        torch.testing.assert_close(our.grad, theirs.grad, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize(
    "native",
    [
        nn.Conv2d(2, 2, 3, stride=2),
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(2, 2, (1, 3)),
        nn.Conv2d(2, 2, 3, padding="same"),
    ],
    ids=["stride", "groups", "oblong", "named padding"],
)
def test_other_layers_are_refused(native: nn.Conv2d) -> None:
    """A layer that cannot be matched exactly is not taken up."""
    with pytest.raises(ValueError, match="needs a square filter"):
        SpreadConv2d.like(native)
