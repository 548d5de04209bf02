"""A small network that tells the ten classes apart: colourings are measured by it, and never trained by it.

A residual network (He et al., 2016) of 0.5 million weights in four stages. Its *features* are the maps that the stages
answer, each of half the side of the one before; *pooled*, the last of them averaged over the image, are what it decides by.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from colournet import tensor_files
from colournet.classifier_config import ClassifierConfig
from colournet.config import CLASSES
from colournet.errors import CheckpointError, ConfigError

FORMAT = "colournet-classifier/1"
FILE = "classifier.safetensors"
"""Name of its file in a classifier's folder."""

_WIDTHS = (16, 32, 64, 128)
_MIDDLE, _SPREAD = 0.5, 0.25  # about the mean and the deviation of colours in [0, 1)


class ClassifierNet(nn.Module):
    """A convolution at full size, then three times: down by half to twice the channels, and a residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _block(3, _WIDTHS[0])
        self.stages = nn.ModuleList(
            nn.Sequential(_block(before, after, nn.MaxPool2d(2)), _Residual(after))
            for before, after in itertools.pairwise(_WIDTHS)
        )
        self.answer = nn.Linear(_WIDTHS[-1], len(CLASSES))

    def features(self, rgb: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n _ _ _"]]:
        """Answer the maps of all stages, none below zero, for colours in [0, 1); h and w are 8 or more."""
        maps = [self.stem((rgb.contiguous(memory_format=torch.channels_last) - _MIDDLE) / _SPREAD)]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps

    def forward(self, rgb: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Answer a logit for each of `CLASSES`."""
        return self.decide(pool(self.features(rgb)))

    def decide(self, pooled: Float[Tensor, "n d"]) -> Float[Tensor, "n classes"]:
        """Answer the logits of pooled features."""
        logits: Tensor = self.answer(pooled)
        return logits


def pool(features: list[Float[Tensor, "n _ _ _"]]) -> Float[Tensor, "n d"]:
    """The last stage's map averaged over the image."""
    return features[-1].mean(dim=(2, 3))


def build(*, generator: torch.Generator | None = None) -> ClassifierNet:
    """Make a network, its initial weights drawn from `generator` (zero-seeded by default) within 1 / sqrt(fan in)."""
    generator = generator or torch.Generator().manual_seed(0)
    network = ClassifierNet()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(module.weight[0].numel())
            nn.init.uniform_(module.weight, -bound, bound, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class Classifier:
    """A trained network and what it was trained on."""

    network: ClassifierNet
    config: ClassifierConfig


def save(path: Path, classifier: Classifier) -> None:
    """Write a classifier's file, whole or not at all."""
    tensor_files.save(
        path, classifier.network.state_dict(), {"format": FORMAT, "config": classifier.config.to_mapping()}
    )


def load(path: Path) -> Classifier:
    """Read a classifier's file. Raises `CheckpointError` if it is missing, damaged, or of another kind."""
    weights, description = tensor_files.load(
        path, FORMAT, hint=f"colournet train-classifier leaves {FILE} in its --out"
    )
    values = description.get("config")
    if not isinstance(values, dict):
        raise CheckpointError(f"{path}: holds no config")
    try:
        config = ClassifierConfig.from_mapping(values)
    except ConfigError as error:
        raise CheckpointError(f"{path}: its config: {error.message}", hint=error.hint) from error
    network = build()
    tensor_files.load_weights(network, weights, source=path)
    return Classifier(network.eval(), config)


class _Residual(nn.Module):
    """Two blocks whose result is added to what they saw."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_block(channels, channels), _block(channels, channels))

    def forward(self, features: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        output: Tensor = features + self.body(features)
        return output


def _block(channels_in: int, channels_out: int, *resize: nn.Module) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
    return nn.Sequential(conv, *resize, nn.BatchNorm2d(channels_out), nn.ReLU())
