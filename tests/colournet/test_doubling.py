"""A convolution over a doubled map, computed on the small one."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from colournet.doubling import Phases, convolve_doubled, unshuffled
from colournet.values import _WHOLE_NUMBERS

KERNELS = range(1, _WHOLE_NUMBERS["kernel_size"][1] + 1, 2)
SEED = torch.Generator().manual_seed(3)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=SEED).requires_grad_()


def doubled(small: Tensor, weight: Tensor, bias: Tensor | None, beside: Tensor | None) -> Tensor:
    """The same, as it is said."""
    large = functional.interpolate(small, scale_factor=2)
    seen = large if beside is None else torch.cat([large, beside], dim=1)
    return functional.conv2d(seen, weight, bias, padding=weight.shape[-1] // 2)


@pytest.mark.parametrize("size", KERNELS)
@pytest.mark.parametrize("beside", [0, 1, 3])
def test_same_as_over_the_doubled_map(size: int, beside: int) -> None:
    """Every kernel size gives the outputs and all gradients of the convolution that it stands for, borders included."""
    small, bias, weight = drawn(2, 3, 3, 5), drawn(4), drawn(4, 3 + beside, size, size)
    large = drawn(2, beside, 6, 10) if beside else None
    leaves = [leaf for leaf in (small, weight, bias, large) if leaf is not None]
    wanted = doubled(small, weight, bias, large)
    pull = torch.randn(wanted.shape, dtype=torch.float64, generator=SEED)

    found = convolve_doubled(small, weight, bias, beside=large).joined()

    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)
    for mine, theirs in zip(
        torch.autograd.grad(found, leaves, pull), torch.autograd.grad(wanted, leaves, pull), strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_pixels_meet_their_labels(size: int) -> None:
    """The unjoined channels of each pixel stand where its label does, and nothing is labelled in the margin."""
    phases = convolve_doubled(drawn(2, 3, 3, 5), drawn(4, 3, size, size), None)
    whole = phases.joined()
    labels = torch.arange(2 * 6 * 10).reshape(2, 6, 10)

    order = phases.like(labels, outside=-1)

    inside = order >= 0
    assert inside.sum() == labels.numel()
    torch.testing.assert_close(
        phases.by_pixel()[inside], whole.permute(0, 2, 3, 1).flatten(0, 2)[order[inside]], rtol=0, atol=0
    )


def test_unshuffled_and_joined() -> None:
    """A map in four parts is the map, once joined."""
    whole = drawn(2, 3, 4, 6)

    assert torch.equal(Phases(unshuffled(whole), margin=0).joined(), whole)


def test_no_copy_of_the_logits() -> None:
    """Seen by pixel, what was computed for a channels-last map is not copied."""
    small = drawn(2, 3, 3, 5).detach().contiguous(memory_format=torch.channels_last)

    phases = convolve_doubled(small, drawn(4, 3, 3, 3), None)

    assert phases.by_pixel().untyped_storage().data_ptr() == phases.values.untyped_storage().data_ptr()
