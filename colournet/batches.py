"""The images of a run on its device: batches, augmentation, grey inputs. Nothing here writes to the images in place."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor

from colournet.config import TrainConfig
from colournet.spaces import SCALE, rgb_of_bytes

Gathered = tuple[UInt8[Tensor, "b 3 h w"], Integer[Tensor, "b h w"]]


@dataclass(frozen=True)
class Picks:
    """Which images make a batch, and for each which of its rows and columns comes where; None where nothing moves."""

    chosen: Int[Tensor, " b"]
    rows: Int[Tensor, "b h"] | None
    columns: Int[Tensor, "b w"] | None

    def copy(self) -> Picks:
        """The same in tensors of its own."""
        return Picks(self.chosen.clone(), _clone(self.rows), _clone(self.columns))

    def take(self, other: Picks) -> None:
        """Hold from now on what another, of as many images of the same run, holds."""
        for own, part in zip(self._parts, other._parts, strict=True):
            own.copy_(part)

    @property
    def _parts(self) -> list[Tensor]:
        return [part for part in (self.chosen, self.rows, self.columns) if part is not None]


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
        yield from map(self.gather, self.draw(config, generator=generator))

    def draw(self, config: TrainConfig, *, generator: torch.Generator) -> list[Picks]:
        """What `generator` decides of an epoch, drawn on the CPU and brought to the images' device all at once."""
        order = torch.randperm(len(self), generator=generator)
        sizes = [len(chosen) for chosen in torch.split(order, config.batch_size)]
        maps = [_draw_maps(config, count, self.images.shape[2:], generator=generator) for count in sizes]
        rows = self._brought([map_of_rows for map_of_rows, _ in maps if map_of_rows is not None])
        columns = self._brought([map_of_columns for _, map_of_columns in maps if map_of_columns is not None])
        chosen, none = self._brought(torch.split(order, sizes)), [None] * len(sizes)
        return [Picks(*parts) for parts in zip(chosen, rows or none, columns or none, strict=True)]

    def _brought(self, parts: Sequence[Tensor]) -> Sequence[Tensor]:
        """Tensors on the images' device; elsewhere than on the CPU by one transfer."""
        device = self.images.device
        if device.type == "cpu" or not parts:
            return parts
        return torch.split(torch.cat(list(parts)).to(device), [len(part) for part in parts])

    def in_order(self, batch_size: int) -> Iterator[Gathered]:
        """Yield all batches in order, as they are."""
        yield from zip(torch.split(self.images, batch_size), torch.split(self.labels, batch_size), strict=True)

    def gather(self, picks: Picks) -> Gathered:
        """The images of a batch, and their labels, moved alike."""
        images, labels = self.images[picks.chosen], self.labels[picks.chosen]
        if picks.rows is not None:
            index = picks.rows[:, :, None]
            labels = labels.gather(1, index.expand_as(labels))
            images = images.gather(2, index[:, None].expand_as(images))
        if picks.columns is not None:
            index = picks.columns[:, None, :]
            labels = labels.gather(2, index.expand_as(labels))
            images = images.gather(3, index[:, None].expand_as(images))
        return images, labels


def grey(images: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    """The network's input: the mean of R, G and B, in [0, 1)."""
    return images.to(torch.float32).mean(dim=1, keepdim=True) / SCALE


def colours(images: UInt8[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """The images as RGB in [0, 1)."""
    return rgb_of_bytes(images)


def _clone(part: Tensor | None) -> Tensor | None:
    return None if part is None else part.clone()


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
