"""A plain PyTorch loop: tensors in memory, Adam, cross-entropy, an evaluation after each epoch, the best weights on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Data = Mapping[str, Tensor]


class CNN(nn.Module):
    def __init__(self, filters: int, colours: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            down(1, filters),
            down(filters, 2 * filters),
            block(2 * filters, 2 * filters),
            up(2 * filters, filters),
            up(filters, colours),
            conv(colours, colours),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class UNet(nn.Module):
    def __init__(self, filters: int, colours: int) -> None:
        super().__init__()
        self.down1 = down(1, filters)
        self.down2 = down(filters, 2 * filters)
        self.middle = block(2 * filters, 2 * filters)
        self.up1 = up(4 * filters, filters)
        self.up2 = up(2 * filters, colours)
        self.last = conv(colours + 1, colours)

    def forward(self, x: Tensor) -> Tensor:
        down1 = self.down1(x)
        down2 = self.down2(down1)
        up1 = self.up1(torch.cat([self.middle(down2), down2], dim=1))
        up2 = self.up2(torch.cat([up1, down1], dim=1))
        return self.last(torch.cat([up2, x], dim=1))


NETWORKS = {"cnn": CNN, "unet": UNet}


def conv(channels_in: int, channels_out: int) -> nn.Module:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def block(channels_in: int, channels_out: int, *between: nn.Module) -> nn.Module:
    return nn.Sequential(conv(channels_in, channels_out), *between, nn.BatchNorm2d(channels_out), nn.ReLU())


def down(channels_in: int, channels_out: int) -> nn.Module:
    return block(channels_in, channels_out, nn.MaxPool2d(2))


def up(channels_in: int, channels_out: int) -> nn.Module:
    return block(channels_in, channels_out, nn.Upsample(scale_factor=2))


def load(path: Path) -> Data:
    """The images' grey and labels, ready for a network, once."""
    arrays = np.load(path)
    found: dict[str, Tensor] = {}
    for split in ("train", "validation"):
        found[f"{split}_grey"] = torch.from_numpy(arrays[f"{split}_images"]).float().mean(dim=1, keepdim=True) / 256
        found[f"{split}_labels"] = torch.from_numpy(arrays[f"{split}_labels"]).long()
    return found


def train(settings: Mapping[str, Any], data: Data, *, epochs: int, seed: int, weights: Path) -> Iterator[float]:
    """Train a network, yield the validation loss after each epoch, and keep the weights of the best."""
    generator = torch.Generator().manual_seed(seed)
    colours = int(data["train_labels"].max()) + 1
    network = NETWORKS[settings["model"]](settings["num_filters"], colours)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings["learning_rate"])
    criterion, best = nn.CrossEntropyLoss(), float("inf")
    for _ in range(epochs):
        network.train()
        for chosen in torch.randperm(len(data["train_grey"]), generator=generator).split(settings["batch_size"]):
            optimizer.zero_grad()
            loss = criterion(network(data["train_grey"][chosen]), data["train_labels"][chosen])
            loss.backward()
            optimizer.step()
        loss = evaluate(network, data)
        if loss < best:
            best = loss
            torch.save(network.state_dict(), weights)
        yield loss


@torch.no_grad()
def evaluate(network: nn.Module, data: Data) -> float:
    """The validation loss, in nats a pixel."""
    network.eval()
    criterion, total = nn.CrossEntropyLoss(reduction="sum"), 0.0
    for grey, labels in zip(data["validation_grey"].split(100), data["validation_labels"].split(100), strict=True):
        total += criterion(network(grey), labels).item()
    return total / data["validation_labels"].numel()
