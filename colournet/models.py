"""The assignment's four networks, layer by layer, with its state-dict keys.

Every block is convolution, pooling or up-sampling, BatchNorm, ReLU, in this order. With kernel k, f filters and c output
channels: `downconv1` 1 to f, `downconv2` f to 2f, `rfconv` 2f to 2f, `upconv1` 2f to f, `upconv2` f to c, and the bare
convolution `finalconv` c to c. The UNets see, before each of the last three, the output of the mirror block as well.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colournet.config import TrainConfig
from colournet.errors import ConfigError
from colournet.extended import ExtendedNet

_MOST_WEIGHTS = 2**30  # of one convolution: 4 GB, and 12 more to train it


class CNN(nn.Module):
    """Down twice, up twice. `regression_cnn` is the same network with three output channels, RGB."""

    def __init__(self, *, kernel_size: int, num_filters: int, num_outputs: int) -> None:
        super().__init__()
        k, f, c = kernel_size, num_filters, num_outputs
        self.downconv1 = _block(_conv(1, f, k), nn.MaxPool2d(2))
        self.downconv2 = _block(_conv(f, 2 * f, k), nn.MaxPool2d(2))
        self.rfconv = _block(_conv(2 * f, 2 * f, k))
        self.upconv1 = _block(_conv(2 * f, f, k), nn.Upsample(scale_factor=2))
        self.upconv2 = _block(_conv(f, c, k), nn.Upsample(scale_factor=2))
        self.finalconv = _conv(c, c, k)

    def forward(self, grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Answer logits or RGB for grey images in [0, 1); h and w are multiples of 4."""
        down = self.downconv2(self.downconv1(grey))
        up = self.upconv2(self.upconv1(self.rfconv(down)))
        output: Tensor = self.finalconv(up)
        return output


class UNet(nn.Module):
    """The same blocks with skip connections (Ronneberger et al., 2015); `dilated_unet` spreads the middle filter's taps."""

    def __init__(self, *, kernel_size: int, num_filters: int, num_outputs: int, dilation: int = 1) -> None:
        super().__init__()
        k, f, c = kernel_size, num_filters, num_outputs
        self.downconv1 = _block(_conv(1, f, k), nn.MaxPool2d(2))
        self.downconv2 = _block(_conv(f, 2 * f, k), nn.MaxPool2d(2))
        self.rfconv = _block(_conv(2 * f, 2 * f, k, dilation=dilation))
        self.upconv1 = _block(_conv(4 * f, f, k), nn.Upsample(scale_factor=2))
        self.upconv2 = _block(_conv(2 * f, c, k), nn.Upsample(scale_factor=2))
        self.finalconv = _conv(c + 1, c, k)

    def forward(self, grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Answer logits for grey images in [0, 1); h and w are multiples of 4."""
        down1 = self.downconv1(grey)
        down2 = self.downconv2(down1)
        middle = self.rfconv(down2)
        up1 = self.upconv1(torch.cat([middle, down2], dim=1))
        up2 = self.upconv2(torch.cat([up1, down1], dim=1))
        output: Tensor = self.finalconv(torch.cat([up2, grey], dim=1))
        return output


def build(config: TrainConfig, *, generator: torch.Generator | None = None) -> nn.Module:
    """Make the network that `config` names, its initial weights drawn from `generator` (zero-seeded by default).

    Raises `ConfigError` where the last convolution would be of palette colours to palette colours, and these are too many.
    """
    _check_size(config)
    network = ExtendedNet(config) if config.is_extended else _MODELS[config.model](config)
    _initialize(network, generator=generator or torch.Generator().manual_seed(0))
    return network.to(memory_format=torch.channels_last)  # type: ignore[no-any-return,call-overload]


def _check_size(config: TrainConfig) -> None:
    weights = (config.kernel_size * config.num_outputs) ** 2
    if weights > _MOST_WEIGHTS and not config.full_resolution_skip:
        raise ConfigError(
            f"num_colours = {config.num_colours} gives the last convolution {weights:,} weights",
            hint="ask for fewer, or for a UNet with full_resolution_skip, whose weights grow with num_colours alone",
        )


def _cnn(config: TrainConfig) -> nn.Module:
    return CNN(kernel_size=config.kernel_size, num_filters=config.num_filters, num_outputs=config.num_outputs)


def _unet(config: TrainConfig) -> nn.Module:
    return UNet(
        kernel_size=config.kernel_size,
        num_filters=config.num_filters,
        num_outputs=config.num_outputs,
        dilation=config.dilation,
    )


_MODELS = {"regression_cnn": _cnn, "cnn": _cnn, "unet": _unet, "dilated_unet": _unet}


def count_parameters(config: TrainConfig) -> int:
    """Number of trained weights of the network that `config` names, without allocating them."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in build(config).parameters())


def _conv(channels_in: int, channels_out: int, kernel_size: int, *, dilation: int = 1) -> nn.Conv2d:
    padding = dilation * (kernel_size // 2)
    return nn.Conv2d(channels_in, channels_out, kernel_size, padding=padding, dilation=dilation)


def _block(conv: nn.Conv2d, *resize: nn.Module) -> nn.Sequential:
    return nn.Sequential(conv, *resize, nn.BatchNorm2d(conv.out_channels), nn.ReLU())


def _initialize(network: nn.Module, *, generator: torch.Generator) -> None:
    """Draw weights and biases uniformly within 1 / sqrt(fan in), as PyTorch and the assignment do.

    Where a grey table gives the first answer, the last convolution, which corrects it, starts at zero.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and not module.weight.is_meta:
            bound = 1 / math.sqrt(module.weight[0].numel())
            assert module.bias is not None
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    if isinstance(network, ExtendedNet) and network.grey_table is not None:
        nn.init.zeros_(network.finalconv.weight)
        if network.finalconv.bias is not None:
            nn.init.zeros_(network.finalconv.bias)
