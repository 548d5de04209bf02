"""The assignment's networks with further choices, each of which changes one thing and can be searched.

With every choice at its default, `ExtendedNet` computes what `colournet.models.CNN` or `UNet` computes; those stay apart
because their state-dict keys are the assignment's. What each choice does, and why, stands under its field in
`colournet.config`; what it brought is measured in docs/experiments.md.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from colournet.config import TrainConfig

GREY_LEVELS = 64


class ExtendedNet(nn.Module):
    """Down `depth` times, up as often; skips where the model is a UNet; the grey table's logits added at the end."""

    def __init__(self, config: TrainConfig) -> None:
        super().__init__()
        full, blocks = config.full_resolution_skip, config.residual_blocks
        k, f, c = config.kernel_size, config.num_filters, config.num_outputs
        self.has_skips = config.has_skips
        widths = [f * 2**level for level in range(config.depth)]
        down_from = [f if full else 1, *widths[:-1]]
        up_to = [*reversed(widths[:-1]), f if full else c]
        skipped = widths if self.has_skips else [0] * config.depth
        up_from = [width + skip for width, skip in zip([widths[-1], *up_to], reversed(skipped), strict=False)]
        strided = config.down_sampling == "stride"

        self.fullconv = _same(1, f, k) if full else None
        self.downconvs = nn.ModuleList(
            _Residual.after(_down(before, after, k, strided=strided), after, k, count=blocks)
            for before, after in zip(down_from, widths, strict=True)
        )
        self.rfconv = _Residual.after(
            _same(widths[-1], widths[-1], k, dilation=config.dilation), widths[-1], k, count=blocks
        )
        self.upconvs = nn.ModuleList(
            _up(before, after, k, strided=strided) for before, after in zip(up_from, up_to, strict=True)
        )
        self.endconv = _Residual.after(_same(2 * f, f, k), f, k, count=blocks) if full else None
        self.finalconv = _conv(f if full else c + 1 if self.has_skips else c, c, k)
        self.grey_table = GreyTable(c) if config.grey_table else None

    def forward(self, grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Answer logits or RGB for grey images in [0, 1); h and w are multiples of 2 ** depth."""
        first = grey if self.fullconv is None else self.fullconv(grey)
        downs = [first]
        for down in self.downconvs:
            downs.append(down(downs[-1]))
        features = self.rfconv(downs[-1])
        for up, mirror in zip(self.upconvs, reversed(downs), strict=False):
            features = up(torch.cat([features, mirror], dim=1) if self.has_skips else features)
        if self.has_skips:
            features = torch.cat([features, first], dim=1)
        if self.endconv is not None:
            features = self.endconv(features)
        output: Tensor = self.finalconv(features)
        return output if self.grey_table is None else output + self.grey_table(grey)


class GreyTable(nn.Module):
    """Logits of the palette colours for each grey level, trained along; between two levels, their linear interpolation."""

    def __init__(self, num_colours: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(num_colours, GREY_LEVELS))

    def forward(self, grey: Float[Tensor, "n 1 h w"]) -> Float[Tensor, "n c h w"]:
        """Look each pixel up. A level's logits hold at the middle of its interval; the ends go on as they are."""
        levels = torch.arange(GREY_LEVELS, device=grey.device, dtype=grey.dtype).reshape(1, -1, 1, 1)
        place = (grey * GREY_LEVELS - 0.5).clamp(0, GREY_LEVELS - 1)
        shares = (1 - (place - levels).abs()).clamp(min=0)
        return functional.conv2d(shares, self.logits[:, :, None, None])

    @torch.no_grad()
    def start_from(self, probabilities: Float[Tensor, "levels c"]) -> None:
        """Take the logarithms of a histogram's probabilities, one row a grey level, none of them zero."""
        self.logits.copy_(probabilities.log().T)


class _Residual(nn.Module):
    """Two convolutions whose result is added to what they saw (He et al., 2016)."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(channels, channels, kernel_size),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            _conv(channels, channels, kernel_size),
            nn.BatchNorm2d(channels),
        )

    @classmethod
    def after(cls, block: nn.Sequential, channels: int, kernel_size: int, *, count: int) -> nn.Sequential:
        """A block with `count` residual blocks behind it."""
        return block.extend([cls(channels, kernel_size) for _ in range(count)])

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return functional.relu(features + self.body(features))


def _conv(channels_in: int, channels_out: int, kernel_size: int, *, dilation: int = 1, stride: int = 1) -> nn.Conv2d:
    padding = dilation * (kernel_size // 2)
    return nn.Conv2d(channels_in, channels_out, kernel_size, padding=padding, dilation=dilation, stride=stride)


def _same(channels_in: int, channels_out: int, kernel_size: int, *, dilation: int = 1) -> nn.Sequential:
    return _block(_conv(channels_in, channels_out, kernel_size, dilation=dilation), channels_out)


def _down(channels_in: int, channels_out: int, kernel_size: int, *, strided: bool) -> nn.Sequential:
    if strided:
        return _block(_conv(channels_in, channels_out, kernel_size, stride=2), channels_out)
    return _block(_conv(channels_in, channels_out, kernel_size), channels_out, nn.MaxPool2d(2))


def _up(channels_in: int, channels_out: int, kernel_size: int, *, strided: bool) -> nn.Sequential:
    if strided:
        padding = kernel_size // 2
        layer = nn.ConvTranspose2d(channels_in, channels_out, kernel_size, 2, padding, output_padding=1)
        return _block(layer, channels_out)
    return _block(_conv(channels_in, channels_out, kernel_size), channels_out, nn.Upsample(scale_factor=2))


def _block(layer: nn.Module, channels: int, *resize: nn.Module) -> nn.Sequential:
    return nn.Sequential(layer, *resize, nn.BatchNorm2d(channels), nn.ReLU())
