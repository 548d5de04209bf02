"""Convolutions over maps that were doubled by repeating each pixel, computed without doubling them.

A pixel of the doubled map sees, whether its row is even or odd, but a few rows of the small one, some of them several times.
So a k x k filter over the doubled map is four small filters over the small map, one for each place among four pixels
(*phase*), whose weights are sums of the k x k weights. The sums are a fixed linear map: the weights that learn stay
those of the k x k filter, and so do their gradients. A map of full size, seen beside the doubled one, joins as four channels a
channel (`unshuffled`), one for each phase.

Even and odd rows see windows of the small map that are the same for k = 1, 5, 9, 13 and one row apart for k = 3, 7, 11, 15.
In the latter case the windows are taken at one row more than there are, and what they give is a map with a margin of one pixel.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Phases:
    """A map of twice the height and width, with a margin or without, still in four parts."""

    values: Float[Tensor, "n parts h w"]
    """Of each two by two pixels all channels of the upper left, then of the upper right, of the lower left and lower right."""
    margin: int
    """Width in pixels, 0 or 1, of a border of the whole map that does not count."""

    def joined(self) -> Float[Tensor, "n c h2 w2"]:
        """The map itself, without its margin."""
        count, channels, height, width = self.values.shape
        parts = self.values.permute(0, 2, 3, 1).reshape(count, height, width, 2, 2, channels // 4)
        whole = parts.permute(0, 1, 3, 2, 4, 5).reshape(count, 2 * height, 2 * width, channels // 4).permute(0, 3, 1, 2)
        return whole[:, :, self.margin : 2 * height - self.margin, self.margin : 2 * width - self.margin]

    def by_pixel(self) -> Float[Tensor, "pixels c"]:
        """The channels of each pixel, margin included, in the order of `like`. A view where the values are channels-last."""
        return self.values.permute(0, 2, 3, 1).reshape(-1, self.values.shape[1] // 4)

    def like(self, labels: Shaped[Tensor, "n h2 w2"], *, outside: int) -> Shaped[Tensor, " pixels"]:
        """Labels of the pixels in the order of `by_pixel`, with `outside` for those of the margin."""
        padded = functional.pad(labels, [self.margin] * 4, value=outside)
        return unshuffled(padded[:, None]).permute(0, 2, 3, 1).flatten()


def convolve_doubled(
    small: Float[Tensor, "n i h w"],
    weight: Float[Tensor, "o both k k"],
    bias: Float[Tensor, " o"] | None,
    *,
    beside: Float[Tensor, "n j h2 w2"] | None = None,
) -> Phases:
    """What `conv2d(cat([doubled small, beside]), weight, bias, padding=k // 2)` answers, for an odd k."""
    channels, size = small.shape[1], weight.shape[-1]
    sums = _sums(size, weight.dtype, weight.device)
    side = sums.shape[-1]
    filters = _summed(weight[:, :channels], sums.sum(dim=2, keepdim=True))
    seen = small
    if beside is not None:
        filters = torch.cat([filters, _summed(weight[:, channels:], sums)], dim=-1)
        seen = torch.cat([small, unshuffled(beside)], dim=1)
    filters = filters.permute(0, 3, 1, 2)  # channels-last, as what they see
    values = functional.conv2d(seen, filters, None if bias is None else bias.repeat(4), padding=side // 2)
    return Phases(values, margin=1 - side % 2)


def unshuffled(whole: Shaped[Tensor, "n c h2 w2"]) -> Shaped[Tensor, "n 4*c h w"]:
    """A map as four parts, one for each phase: the channels of the upper left of two by two pixels come first."""
    count, channels, height, width = whole.shape
    parts = whole.reshape(count, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 3, 5, 1)
    return parts.reshape(count, height // 2, width // 2, 4 * channels).permute(0, 3, 1, 2)


def _summed(
    weight: Float[Tensor, "o i k k"], sums: Float[Tensor, "taps 4 phases side side"]
) -> Float[Tensor, "4*o side side _"]:
    """The weights of the four small filters, those of each output phase together, as of a channels-last map."""
    filters, channels, size, _ = weight.shape
    _, phases, side, _ = sums.shape[1:]
    with torch.autocast(weight.device.type, enabled=False):  # what is summed is rounded once, as the convolution has it
        flat = weight.reshape(-1, size * size) @ sums.flatten(1)
    parts = flat.reshape(filters, channels, 4, phases, side, side).permute(2, 0, 4, 5, 3, 1)
    return parts.reshape(4 * filters, side, side, phases * channels)


@functools.cache
def _sums(size: int, dtype: torch.dtype, device: torch.device) -> Float[Tensor, "taps 4 4 side side"]:
    """1 where an output of one phase sees, through a tap of the filter, an input of another phase at a place of its window."""
    rows = _sums_of_rows(size)
    both = torch.einsum("dapr,ebqs->deabpqrs", rows, rows)
    return both.flatten(4, 5).flatten(2, 3).flatten(0, 1).to(device, dtype)


def _sums_of_rows(size: int) -> Float[Tensor, "k 2 2 side"]:
    """The same along one axis."""
    reach = size // 2
    is_shifted = reach % 2  # the windows of odd rows begin one row below those of even rows, which come after them
    side = 2 * ((reach + 1) // 2) + 1 - is_shifted
    sums = torch.zeros(size, 2, 2, side)
    for row in (0, 1):
        for tap in range(size):
            place, phase = divmod(row + tap - reach, 2)
            sums[tap, row ^ is_shifted, phase, place - row * is_shifted + side // 2] = 1
    return sums
