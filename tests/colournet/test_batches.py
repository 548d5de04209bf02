"""Batches: every image once an epoch, moved together with its labels, and the source left alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from colournet.batches import ImageSet, as_tensor, colours, grey
from colournet.config import TrainConfig

CPU = torch.device("cpu")
SIDE = 8

augmentations = st.builds(
    TrainConfig,
    batch_size=st.integers(1, 12),
    flip_horizontal=st.booleans(),
    flip_vertical=st.booleans(),
    shift_horizontal_pixels=st.integers(0, 16),
    shift_vertical_pixels=st.integers(0, 16),
)


def make_images(count: int, *, seed: int = 0) -> np.ndarray:
    """Random read-only images."""
    images = np.random.default_rng(seed).integers(0, 256, (count, 3, SIDE, SIDE), dtype=np.uint8)
    images.setflags(write=False)
    return images


def labelled(images: np.ndarray) -> ImageSet:
    """The images with their red channel as labels, which shows whether both move alike."""
    return ImageSet.on(CPU, images, images[:, 0])


def one_epoch(images: ImageSet, config: TrainConfig, *, seed: int) -> list[tuple[Tensor, Tensor]]:
    return list(images.shuffled(config, generator=torch.Generator().manual_seed(seed)))


@settings(deadline=None)
@given(config=augmentations, count=st.integers(1, 10), seed=st.integers(0, 1000))
def test_labels_move_with_images(config: TrainConfig, count: int, seed: int) -> None:
    """Whatever the augmentation, each pixel keeps its label, and the source its bytes."""
    images = make_images(count)
    before = images.copy()

    batches = one_epoch(labelled(images), config, seed=seed)

    assert sum(len(batch) for batch, _ in batches) == count
    assert all(torch.equal(batch[:, 0], labels) for batch, labels in batches)
    assert (images == before).all()


@settings(deadline=None)
@given(config=augmentations, seed=st.integers(0, 1000))
def test_same_generator_same_batches(config: TrainConfig, seed: int) -> None:
    """An epoch depends on the state of the generator and nothing else."""
    images = labelled(make_images(7))

    first, second = one_epoch(images, config, seed=seed), one_epoch(images, config, seed=seed)

    for (batch, labels), (again, labels_again) in zip(first, second, strict=True):
        assert torch.equal(batch, again)
        assert torch.equal(labels, labels_again)


def test_every_epoch_has_another_order() -> None:
    """Two epochs on one generator show the same images in different orders."""
    images = labelled(make_images(20))
    generator = torch.Generator().manual_seed(0)
    config = TrainConfig(batch_size=20)

    [(first, _)] = images.shuffled(config, generator=generator)
    [(second, _)] = images.shuffled(config, generator=generator)

    assert not torch.equal(first, second)
    assert torch.equal(rows_in_order(first), rows_in_order(second))


@pytest.mark.parametrize(
    ("count", "batch_size", "sizes"), [(5, 2, [2, 2, 1]), (3, 100, [3]), (4, 2, [2, 2]), (1, 1, [1])]
)
def test_batch_sizes(count: int, batch_size: int, sizes: list[int]) -> None:
    """The last batch holds what is left; a batch larger than the set holds all."""
    batches = one_epoch(labelled(make_images(count)), TrainConfig(batch_size=batch_size), seed=0)

    assert [len(batch) for batch, _ in batches] == sizes


@pytest.mark.parametrize(
    ("settings", "axis"),
    [({"flip_horizontal": True}, -1), ({"flip_vertical": True}, -2)],
    ids=["left-right", "up-down"],
)
def test_flip(settings: dict[str, bool], axis: int) -> None:
    """About half of the images are mirrored along one axis, the others are as they were."""
    image = make_images(1)[0]
    images = labelled(np.stack([image] * 400))

    [(batch, _)] = one_epoch(images, TrainConfig(batch_size=400, **settings), seed=0)

    original = torch.tensor(image)
    as_it_was = [torch.equal(shown, original) for shown in batch]
    mirrored = [torch.equal(shown, original.flip(axis)) for shown in batch]
    assert sum(as_it_was) + sum(mirrored) == 400
    assert 150 < sum(mirrored) < 250


@pytest.mark.parametrize("settings", [{"shift_horizontal_pixels": 2}, {"shift_vertical_pixels": 2}], ids=["x", "y"])
def test_shift_repeats_the_border(settings: dict[str, int]) -> None:
    """A shift moves the image by up to so many pixels either way, all alike often, and the border fills the gap."""
    ramp = np.broadcast_to(np.arange(SIDE, dtype=np.uint8), (500, 3, SIDE, SIDE))
    images = ramp if "shift_horizontal_pixels" in settings else ramp.swapaxes(2, 3)

    [(batch, _)] = one_epoch(labelled(np.ascontiguousarray(images)), TrainConfig(batch_size=500, **settings), seed=0)

    lines = batch[:, 0, 0] if "shift_horizontal_pixels" in settings else batch[:, 0, :, 0]
    expected = {tuple(np.clip(np.arange(SIDE) - shift, 0, SIDE - 1)) for shift in range(-2, 3)}
    shown, counts = torch.unique(lines, dim=0, return_counts=True)
    assert {tuple(line) for line in shown.tolist()} == expected
    assert counts.min() > 60  # of 100 expected


def test_in_order() -> None:
    """Validation sees all images in their order, unchanged."""
    images = make_images(5)

    batches = list(labelled(images).in_order(2))

    assert [len(batch) for batch, _ in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([batch for batch, _ in batches]), torch.tensor(images))


def test_arrays_are_shared() -> None:
    """On the CPU an image set is a view, also of read-only memory, and no warning tells of it."""
    images = make_images(2)

    assert as_tensor(images).data_ptr() == images.ctypes.data


def test_grey() -> None:
    """Grey is the mean of R, G and B over 256."""
    images = torch.tensor([[30, 60, 90], [255, 255, 255]], dtype=torch.uint8)[:, :, None, None]

    assert grey(images).flatten().tolist() == [60 / 256, 255 / 256]


def test_colours() -> None:
    """Colours are eight-bit values over 256, not 255."""
    images = torch.tensor([[0, 128, 255]], dtype=torch.uint8)[:, :, None, None]

    assert colours(images).flatten().tolist() == [0, 0.5, 255 / 256]


def rows_in_order(images: Tensor) -> Tensor:
    """The images, each a row, in an order that depends on nothing but their pixels."""
    return torch.unique(images.flatten(1), dim=0)
