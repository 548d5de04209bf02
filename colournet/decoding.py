"""From a network's logits to colours, and its input's grey back into them.

A colour here is one of the palette's space, RGB or chroma; `colournet.spaces` makes RGB of it.

- *argmax*: the likeliest palette colour of each pixel.
- *mean*: the expected colour, the palette's colours weighted by their probabilities; of all answers it has the least
  expected squared error.
- *annealed*: the expected colour after dividing the logits by a temperature. 1 is the mean, towards 0 it becomes argmax;
  0.38 is a compromise of vivid and smooth. Reference: Zhang, Isola and Efros, Colorful Image Colorization, 2016.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from colournet.errors import ConfigError, did_you_mean
from colournet.spaces import SCALE

METHODS = ("argmax", "mean", "annealed")
TEMPERATURE = 0.38

_LARGEST = (SCALE - 1) / SCALE  # of a colour: 255 on the assignment's scale


def decode(
    logits: Float[Tensor, "n k h w"],
    palette: Float[Tensor, "k d"],
    *,
    method: str = "argmax",
    temperature: float = TEMPERATURE,
) -> Float[Tensor, "n d h w"]:
    """Colour each pixel by its logits; the answer is in the palette's space and range.

    Only `annealed` heeds the temperature. Raises `ConfigError` for another method or a temperature not above 0.
    """
    if method not in METHODS:
        raise ConfigError(f"there is no decoding {method!r}", hint=did_you_mean(method, METHODS))
    if not temperature > 0:
        raise ConfigError(f"the temperature of a decoding must be above 0, got {temperature}")
    if method == "argmax":
        return palette[logits.argmax(dim=1)].permute(0, 3, 1, 2)
    scaled = logits / temperature if method == "annealed" else logits
    colours: Tensor = (scaled.softmax(dim=1).permute(0, 2, 3, 1) @ palette).permute(0, 3, 1, 2)
    return colours


def restore_grey(rgb: Float[Tensor, "n 3 h w"], grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Give each pixel the mean of R, G and B that its input had, keeping its chroma; clipped to [0, 255 / 256]."""
    return (rgb - rgb.mean(dim=1, keepdim=True) + grey).clamp(0, _LARGEST)
