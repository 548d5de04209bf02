"""A dilated convolution without the `dilation` argument: the filter itself is spread by tensor operations.

This is the assignment's exercise: to see what a dilated filter looks like. Training uses PyTorch's own dilation, which
gives the same outputs and gradients and multiplies by no zeros; the tests hold the two equal.

`dilation` means what the field means by it: 2 leaves one gap between taps, where the assignment says 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


def spread(weight: Float[Tensor, "o i k k"], *, dilation: int) -> Float[Tensor, "o i wide wide"]:
    """Put the taps of a filter `dilation` apart and zeros between them; wide = (k - 1) * dilation + 1.

    Gradients flow back to the taps and to nothing else. Raises ValueError for a dilation below 1.
    """
    if dilation < 1:
        raise ValueError(f"dilation must be at least 1, got {dilation}")
    filters, channels, side, _ = weight.shape
    wide = (side - 1) * dilation + 1
    spaced = weight.new_zeros(filters, channels, wide, wide)
    spaced[:, :, ::dilation, ::dilation] = weight
    return spaced


def dilated_conv2d(
    images: Float[Tensor, "n i h w"],
    weight: Float[Tensor, "o i k k"],
    bias: Float[Tensor, " o"] | None = None,
    *,
    dilation: int,
    padding: int = 0,
) -> Float[Tensor, "n o h2 w2"]:
    """What `functional.conv2d(..., dilation=dilation)` answers, computed with a spread filter."""
    return functional.conv2d(images, spread(weight, dilation=dilation), bias, padding=padding)


class SpreadConv2d(nn.Conv2d):
    """`nn.Conv2d` with square filters, stride 1 and zero padding, whose dilation is done by `dilated_conv2d`.

    Its weights have the names and shapes of `nn.Conv2d`, so either loads the other's.
    """

    @classmethod
    def like(cls, native: nn.Conv2d) -> SpreadConv2d:
        """A layer that shares the weights of `native`, to put in its place. Raises ValueError for another kind of layer."""
        side, dilation, padding = native.kernel_size[0], native.dilation[0], native.padding
        if (
            isinstance(padding, str)
            or native.padding_mode != "zeros"
            or (native.stride, native.groups) != ((1, 1), 1)
            or len({*native.kernel_size}) != 1
            or len({*native.dilation}) != 1
            or len({*padding}) != 1
        ):
            raise ValueError(f"needs a square filter, stride 1, one group and zero padding, got {native}")
        with torch.device("meta"):
            layer = cls(native.in_channels, native.out_channels, side, padding=padding[0], dilation=dilation)
        layer.weight, layer.bias = native.weight, native.bias
        return layer

    def forward(self, images: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
        """Convolve with the spread filter."""
        assert not isinstance(self.padding, str)
        return dilated_conv2d(images, self.weight, self.bias, dilation=self.dilation[0], padding=self.padding[0])
