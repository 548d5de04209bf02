"""Palettes: fitted the same each time, and the nearest colour is the nearest."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colournet.data import DataBundle
from colournet.palette import SCALE, decode, fit, quantize


def random_images(seed: int, *, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), num_colours=st.integers(2, 256))
def test_nearest(seed: int, num_colours: int) -> None:
    """No colour of the palette is nearer to a pixel than the one that labels it."""
    images = random_images(seed)
    palette = np.random.default_rng(seed + 1).random((num_colours, 3), dtype=np.float32)

    labels = quantize(images, palette)

    pixels = images.transpose(0, 2, 3, 1).astype(np.float64) / SCALE
    distances = ((pixels[..., None, :] - palette.astype(np.float64)) ** 2).sum(axis=-1)
    chosen = np.take_along_axis(distances, labels[..., None].astype(np.int64), axis=-1)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(axis=-1), atol=1e-6)


def test_first_of_equals() -> None:
    """Of two colours that are equally near, a pixel gets the first."""
    palette = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)
    images = np.full((1, 3, 2, 2), 64, dtype=np.uint8)  # half way between the first two

    assert (quantize(images, palette) == 0).all()


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=256, unique=True), st.data())
@settings(deadline=None, max_examples=30)
def test_round_trip(colours: list[tuple[int, int, int]], data: st.DataObject) -> None:
    """An image in palette colours is the same image after quantizing and decoding."""
    palette = (np.array(colours) / SCALE).astype(np.float32)
    chosen = data.draw(st.lists(st.integers(0, len(colours) - 1), min_size=16, max_size=16))
    labels = np.array(chosen, dtype=np.uint8).reshape(1, 4, 4)

    images = decode(labels, palette)

    assert (images[0, :, 0, 0] == colours[chosen[0]]).all()
    assert (decode(quantize(images, palette), palette) == images).all()


def test_chunks() -> None:
    """Images are labelled alike alone and among many."""
    images = random_images(0, count=300)
    palette = np.random.default_rng(1).random((5, 3), dtype=np.float32)

    assert (quantize(images, palette)[-1] == quantize(images[-1:], palette)[0]).all()


def test_images_are_left_alone(bundle: DataBundle) -> None:
    """Neither quantizing nor fitting writes to the images, which may be read-only."""
    images = bundle.validation_images

    fit(images, num_colours=2, seed=0)
    quantize(images, bundle.palettes[4])

    assert not images.flags.writeable


def test_fit_is_repeatable(bundle: DataBundle) -> None:
    """The same pixels and seed give the same palette, to the bit."""
    images = bundle.validation_images

    assert (fit(images, num_colours=6, seed=3) == fit(images, num_colours=6, seed=3)).all()


def test_fit_runs_from_dark_to_light(bundle: DataBundle) -> None:
    """A palette is sorted by brightness and within [0, 1)."""
    palette = fit(bundle.validation_images, num_colours=6, seed=3)

    assert palette.shape == (6, 3)
    assert (np.diff(palette.sum(axis=1)) >= 0).all()
    assert palette.min() >= 0
    assert palette.max() < 1


def test_fit_finds_clusters() -> None:
    """Images of three colours have these three as their palette."""
    colours = np.array([[0, 0, 64], [0, 128, 0], [192, 128, 128]], dtype=np.uint8)
    images = np.ascontiguousarray(np.resize(colours, (1, 9, 9, 3)).transpose(0, 3, 1, 2))

    assert (fit(images, num_colours=3, seed=0) == colours / SCALE).all()
