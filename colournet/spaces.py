"""The colour spaces in which networks answer and palettes hold colours, told apart by the numbers of a colour.

- `rgb`, three numbers: R, G and B in [0, 1), the 8-bit value / 256, the assignment's scale.
- `lab`, two numbers: chroma alone, the a and b of CIE L*a*b* under D65. The grey of the pixel, which is known, brings the
  light: L is the one at which R, G and B have that grey as their mean.

All that depends on the colour space is in this table; who has a palette or a network's answer asks `of_channels`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from colournet import colour

SCALE = 256
"""8-bit colours are divided by 256, not 255: the assignment's scale, on which its weights and figures rest. Only inside the
functions of colour science is white 255 / 255, as the sRGB standard says."""

_ROUNDS = 2
_LIGHTEST = 100.0  # L of white


@dataclass(frozen=True, kw_only=True)
class ColourSpace:
    """What the colours of a network or a palette are, and how they become RGB."""

    name: str
    """One of `colournet.config.COLOUR_SPACES`."""
    channels: int
    """Numbers of a colour."""
    answer_unit: float
    """What a regression's answer of 1 stands for, so that its answers spread by 0.2 to 0.3 on photographs, as RGB does."""
    answer_words: str
    """What a regression answers, for people."""
    decimals: int
    """To so many a palette is rounded, coarser than the noise of summation."""
    of_bytes: Callable[[Tensor], Tensor]
    """From 8-bit images to their colours in this space."""
    to_rgb: Callable[[Tensor, Tensor | None], Tensor]
    """From colours in this space and the grey of each pixel, in [0, 1), to RGB in [0, 1)."""
    rank: Callable[[np.ndarray], np.ndarray]
    """By what the colours of a palette are sorted."""

    def target(self, images: UInt8[Tensor, "n 3 h w"]) -> Float[Tensor, "n channels h w"]:
        """What a regression should answer."""
        return self.of_bytes(images) / self.answer_unit


def of_channels(count: int) -> ColourSpace:
    """The space whose colours have so many numbers."""
    return _BY_CHANNELS[count]


def to_bytes(rgb: Float[Tensor, "*batch 3 h w"]) -> UInt8[Tensor, "*batch 3 h w"]:
    """RGB in [0, 1) as 8-bit images."""
    return (rgb * SCALE).round().clamp(0, colour.WHITE_8BIT).to(torch.uint8)


def rgb_of_bytes(images: UInt8[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 3 h w"]:
    """8-bit images as RGB in [0, 1)."""
    return images.to(torch.float32) / SCALE


def chroma_of_bytes(images: UInt8[Tensor, "*batch 3 h w"]) -> Float[Tensor, "*batch 2 h w"]:
    """The a and b of 8-bit images."""
    return colour.bytes_to_lab(images)[..., 1:, :, :]


def light_up(
    chroma: Float[Tensor, "*batch 2 h w"], grey: Float[Tensor, "*batch 1 h w"]
) -> Float[Tensor, "*batch 3 h w"]:
    """Give a and b the light of a grey in [0, 1), 8 bit / 256: RGB on the same scale, in [0, 255 / 256]. Differentiable.

    The lightness of a colour is not that of its grey (blue looks darker than yellow of the same mean), so the grey's own L is
    where the search begins: twice, the mean of what it gives is compared with the grey. True chroma gives CIFAR-10's horses
    back at 30 dB by the grey's own L, at 53 after one round, at 66 after two, beyond the rounding to 8 bits. What no screen
    can show is clipped, channel by channel.
    """
    wanted = lightness = colour.grey_to_lightness(grey * SCALE / colour.WHITE_8BIT)
    for _ in range(_ROUNDS):
        mean = _show(lightness, chroma).mean(dim=-3, keepdim=True)
        lightness = (lightness + wanted - colour.grey_to_lightness(mean)).clamp(0, _LIGHTEST)
    return _show(lightness, chroma) * colour.WHITE_8BIT / SCALE


def _show(
    lightness: Float[Tensor, "*batch 1 h w"], chroma: Float[Tensor, "*batch 2 h w"]
) -> Float[Tensor, "*batch 3 h w"]:
    return colour.lab_to_srgb(torch.cat([lightness, chroma], dim=-3)).clamp(0, 1)


def _keep(rgb: Float[Tensor, "*batch 3 h w"], _: Tensor | None) -> Float[Tensor, "*batch 3 h w"]:
    return rgb


SPACES: Mapping[str, ColourSpace] = {
    "rgb": ColourSpace(
        name="rgb",
        channels=3,
        answer_unit=1.0,
        answer_words="RGB",
        decimals=4,
        of_bytes=rgb_of_bytes,
        to_rgb=_keep,
        rank=lambda colours: colours.sum(axis=1),
    ),
    "lab": ColourSpace(
        name="lab",
        channels=2,
        answer_unit=50.0,
        answer_words="chroma (a, b)",
        decimals=2,
        of_bytes=chroma_of_bytes,
        to_rgb=light_up,  # type: ignore[arg-type]  # chroma without its grey is a mistake, and ends as one
        rank=lambda colours: (colours**2).sum(axis=1),
    ),
}
_BY_CHANNELS = {space.channels: space for space in SPACES.values()}
