"""The images of a run on its device: batches, augmentation, grey inputs. Nothing here writes to the images in place."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor

from colournet.config import TrainConfig
from colournet.spaces import SCALE, rgb_of_bytes

Gathered = tuple[UInt8[Tensor, "b 3 h w"], Integer[Tensor, "b h w"]]


@dataclass(frozen=True)
class ImageSet:
    """Images (8-bit RGB) and their palette labels as tensors on one device."""

    images: UInt8[Tensor, "n 3 h w"]
    labels: Integer[Tensor, "n h w"]

    @classmethod
    def on(cls, device: torch.device, images: np.ndarray, labels: np.ndarray) -> ImageSet:
        """Put arrays on `device`; on the CPU they are shared, not copied, so they must not be written to."""
        return cls(as_tensor(images).to(device), as_tensor(labels).to(device))

    def __len__(self) -> int:
        return len(self.images)

    def shuffled(self, config: TrainConfig, *, generator: torch.Generator) -> Iterator[Gathered]:
        """Yield the batches of one epoch in an order, and augmented as, `generator` decides."""
        order = torch.randperm(len(self), generator=generator)
        for chosen in torch.split(order, config.batch_size):
            rows, columns = _draw_maps(config, len(chosen), self.images.shape[2:], generator=generator)
            yield self._gather(chosen, rows, columns)

    def in_order(self, batch_size: int) -> Iterator[Gathered]:
        """Yield all batches in order, as they are."""
        yield from zip(torch.split(self.images, batch_size), torch.split(self.labels, batch_size), strict=True)

    def _gather(self, chosen: Int[Tensor, " b"], rows: Tensor | None, columns: Tensor | None) -> Gathered:
        """Pick images, and pick their rows and columns where a map says which; labels move alike."""
        device = self.images.device
        chosen = chosen.to(device)
        images, labels = self.images[chosen], self.labels[chosen]
        if rows is not None:
            index = rows.to(device)[:, :, None]
            labels = labels.gather(1, index.expand_as(labels))
            images = images.gather(2, index[:, None].expand_as(images))
        if columns is not None:
            index = columns.to(device)[:, None, :]
            labels = labels.gather(2, index.expand_as(labels))
            images = images.gather(3, index[:, None].expand_as(images))
        return images, labels


def grey(images: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """The network's input: the mean of R, G and B, in [0, 1)."""
    return images.to(torch.float32).mean(dim=1, keepdim=True) / SCALE


def colours(images: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """The images as RGB in [0, 1)."""
    return rgb_of_bytes(images)


def _draw_maps(
    config: TrainConfig, count: int, size: torch.Size, *, generator: torch.Generator
) -> tuple[Int[Tensor, "b h"] | None, Int[Tensor, "b w"] | None]:
    """For each image, which row and which column of the original comes where; None where nothing moves."""
    height, width = size
    rows = _draw_map(count, height, config.flip_vertical, config.shift_vertical_pixels, generator=generator)
    columns = _draw_map(count, width, config.flip_horizontal, config.shift_horizontal_pixels, generator=generator)
    return rows, columns


def _draw_map(
    count: int, length: int, flip: bool, most_pixels: int, *, generator: torch.Generator
) -> Int[Tensor, "b length"] | None:
    """Draw a flip with probability one half, then a uniform shift; the border repeats its last pixel."""
    if not flip and not most_pixels:
        return None
    places = torch.arange(length).repeat(count, 1)
    if most_pixels:
        shift = torch.randint(-most_pixels, most_pixels + 1, (count, 1), generator=generator)
        places = (places - shift).clamp(0, length - 1)
    if flip:
        flipped = torch.rand(count, 1, generator=generator) < 0.5
        places = torch.where(flipped, length - 1 - places, places)
    return places


def as_tensor(array: np.ndarray) -> Tensor:
    """An array as a tensor that shares its memory, also where that is read-only, and so must not be written to."""
    with warnings.catch_warnings():
        # An array from Ray's object store is read-only, which torch cannot express; see the module's promise.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
