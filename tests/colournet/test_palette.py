"""Palettes of colours and of chroma: fitted the same each time, and the nearest is the nearest."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from skimage import color

from colournet.data import DataBundle
from colournet.palette import SCALE, decode, decode_chroma, fit, fit_chroma, quantize, quantize_chroma


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


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), num_colours=st.integers(2, 256))
def test_nearest_chroma(seed: int, num_colours: int) -> None:
    """No chroma of the palette is nearer to a pixel's (a, b), by scikit-image's, than the one that labels it."""
    images = random_images(seed)
    chroma = np.random.default_rng(seed + 1).uniform(-80, 80, (num_colours, 2)).astype(np.float32)

    labels = quantize_chroma(images, chroma)

    pixels = color.rgb2lab(images.transpose(0, 2, 3, 1))[..., 1:]
    distances = np.linalg.norm(pixels[..., None, :] - chroma, axis=-1)
    chosen = np.take_along_axis(distances, labels[..., None].astype(np.int64), axis=-1)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(axis=-1), atol=0.05)


GENTLE = st.tuples(st.integers(-3, 3), st.integers(-3, 3))
"""Chroma in steps of 5 that a screen can show at middling lightness."""


@settings(deadline=None, max_examples=50)
@given(st.lists(GENTLE, min_size=2, max_size=49, unique=True), st.integers(0, 10**6))
def test_chroma_round_trip(steps: list[tuple[int, int]], seed: int) -> None:
    """Labels given a chroma and a middling grey are read from the picture again, and the picture is as light as the grey."""
    chroma = 5 * np.array(steps, dtype=np.float32)
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(chroma), (2, 4, 4)).astype(np.uint8)
    grey = generator.uniform(90, 200, labels.shape).astype(np.float32)

    images = decode_chroma(labels, chroma, grey)

    assert (quantize_chroma(images, chroma) == labels).all()
    lightness = color.rgb2lab(images.transpose(0, 2, 3, 1))[..., 0]
    of_grey = color.rgb2lab(np.repeat(grey[..., None] / 255, 3, axis=-1))[..., 0]
    np.testing.assert_allclose(lightness, of_grey, atol=0.5)


@settings(deadline=None, max_examples=30)
@given(level=st.integers(0, 255), a=st.floats(-100, 100), b=st.floats(-100, 100))
def test_decoded_chroma_is_scikit_images(level: int, a: float, b: float) -> None:
    """A chroma at a grey is the picture that scikit-image makes of the same L, a and b, clipped, to a step of 8 bits."""
    lightness = color.rgb2lab(np.full((1, 1, 3), level / 255))[0, 0, 0]
    assume(lightness / 116 - b / 200 > -16 / 116)  # below, scikit-image clips Z as well

    image = decode_chroma(
        np.zeros((1, 1, 1), dtype=np.uint8), np.array([[a, b]], dtype=np.float32), np.full((1, 1, 1), level, np.float32)
    )

    expected = color.lab2rgb(np.array([[[lightness, a, b]]]))[0, 0] * 255
    np.testing.assert_allclose(image[0, :, 0, 0], expected, atol=0.7)


def test_chroma_of_many_images() -> None:
    """Images are labelled and decoded alike alone and among many."""
    images = random_images(0, count=300)
    chroma = np.array([[0, 0], [30, 10], [-20, 40]], dtype=np.float32)
    grey = images.mean(axis=1, dtype=np.float32)

    labels = quantize_chroma(images, chroma)

    assert (labels[-1] == quantize_chroma(images[-1:], chroma)[0]).all()
    assert (decode_chroma(labels, chroma, grey)[-1] == decode_chroma(labels[-1:], chroma, grey[-1:])[0]).all()


def test_fit_chroma(bundle: DataBundle) -> None:
    """A palette of chroma is the same each time, from grey to vivid, within what a screen can show."""
    chroma = fit_chroma(bundle.validation_images, num_colours=6, seed=3)

    assert (chroma == fit_chroma(bundle.validation_images, num_colours=6, seed=3)).all()
    assert chroma.shape == (6, 2)
    assert (np.diff(np.linalg.norm(chroma, axis=1)) >= 0).all()
    assert np.abs(chroma).max() < 110


def test_fit_chroma_sees_no_light() -> None:
    """Images of one hue in many lightnesses beside grey have two chromas, of which grey is the first."""
    labels = np.tile([[0, 1]], (1, 40, 20)).astype(np.uint8)
    grey = np.linspace(60, 180, labels.size, dtype=np.float32).reshape(labels.shape)
    images = decode_chroma(labels, np.array([[0, 0], [12, -12]], dtype=np.float32), grey)

    np.testing.assert_allclose(fit_chroma(images, num_colours=2, seed=0), [[0, 0], [12, -12]], atol=0.2)
