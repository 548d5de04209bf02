"""The assignment's networks computed faster: the same weights, outputs and gradients, but for rounding.

`colournet.models` says what the networks are, layer by layer. Here the weights of such a network are taken from it and
used otherwise: nothing is doubled in size before it must be. BatchNorm and ReLU, which treat all pixels alike, come before
the up-sampling instead of after it, on a quarter of the pixels; the convolution behind takes the small map as it is
(`colournet.doubling`); and the logits of training stay in the order in which they were computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeGuard

import torch
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional

from colournet.doubling import Phases, convolve_doubled
from colournet.models import CNN, UNet

_NO_LABEL = -100  # what cross-entropy leaves out


def has_form(network: nn.Module) -> TypeGuard[CNN | UNet]:
    """Whether a network has a fast form: the assignment's own."""
    return isinstance(network, CNN | UNet)


def answer(network: nn.Module, grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
    """What `network(grey)` answers; a network that is none of the assignment's is asked itself."""
    if has_form(network):
        return _last(network, grey).joined()
    output: Tensor = network(grey)
    return output


def cross_entropy(
    network: CNN | UNet,
    grey: Float[Tensor, "n 1 h w"],
    labels: Integer[Tensor, "n h w"],
    *,
    smoothing: float = 0.0,
) -> Float[Tensor, ""]:
    """The mean cross-entropy of `network(grey)` over (smoothed) labels, in nats a pixel."""
    last = _last(network, grey)
    wanted = last.like(labels.long(), outside=_NO_LABEL)
    return functional.cross_entropy(last.by_pixel(), wanted, ignore_index=_NO_LABEL, label_smoothing=smoothing)


def _last(network: CNN | UNet, grey: Float[Tensor, "n 1 h w"]) -> Phases:
    skips = isinstance(network, UNet)
    down1 = _settled(network.downconv1, grey)
    down2 = _settled(network.downconv2, down1)
    middle = _settled(network.rfconv, down2)
    up1 = _settled_small(network.upconv1, network.upconv1[0](torch.cat([middle, down2], dim=1) if skips else middle))
    wide = _convolve(network.upconv2, up1, beside=down1 if skips else None)
    up2 = _settled_small(network.upconv2, wide)
    last = network.finalconv
    return convolve_doubled(up2, last.weight, last.bias, beside=grey if skips else None)


def _convolve(
    block: nn.Sequential, small: Float[Tensor, "n i h w"], *, beside: Float[Tensor, "n j h2 w2"] | None
) -> Float[Tensor, "n o h2 w2"]:
    """The convolution of a block, over a doubled map and what is beside it; this, of many channels, apart, at its own size."""
    layer, channels = block[0], small.shape[1]
    assert isinstance(layer, nn.Conv2d)
    if beside is None:
        return convolve_doubled(small, layer.weight, layer.bias).joined()
    apart = functional.conv2d(beside, layer.weight[:, channels:], layer.bias, padding=layer.padding)
    return apart + convolve_doubled(small, layer.weight[:, :channels], None).joined()


def _settled(block: nn.Sequential, features: Float[Tensor, "n i h w"]) -> Float[Tensor, "n o h2 w2"]:
    """A whole block that makes nothing larger."""
    *before, _ = block
    for layer in before:
        features = layer(features)
    return functional.relu_(features)


def _settled_small(block: nn.Sequential, small: Float[Tensor, "n o h w"]) -> Float[Tensor, "n o h w"]:
    """BatchNorm and ReLU of a block, before its doubling."""
    norm = block[2]
    assert isinstance(norm, nn.BatchNorm2d)
    if not norm.training:
        return functional.relu_(norm(small))
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    assert norm.momentum is not None
    norm.num_batches_tracked.add_(1)
    variance, shift, scale = norm.running_var.clone(), norm.bias, norm.weight
    normed = functional.batch_norm(small, norm.running_mean, variance, scale, shift, True, norm.momentum, norm.eps)
    _count_as_doubled(norm.running_var, variance, momentum=norm.momentum, pixels=small.numel() // small.shape[1])
    return functional.relu_(normed)


@torch.no_grad()
def _count_as_doubled(
    variance: Float[Tensor, " o"], found: Float[Tensor, " o"], *, momentum: float, pixels: int
) -> None:
    """Take over a running variance to which n / (n - 1) of the variance of n pixels was added, with n four times as large."""
    torch.lerp(variance * (1 - momentum), found, 4 * (pixels - 1) / (4 * pixels - 1), out=variance)


ANSWERS: Mapping[str, Callable[[nn.Module, Tensor], Tensor]] = {"fast": answer, "reference": nn.Module.__call__}
"""What a network answers to grey images, by `TrainConfig.form`."""
