"""Palettes of colours and of chroma: fitted the same each time, and the nearest is the nearest."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color

from colournet import palette as palettes
from colournet.config import COLOUR_SPACES
from colournet.data import DataBundle
from colournet.errors import DataError
from colournet.palette import decode, fit, quantize, shown
from colournet.palette_name import PaletteName
from colournet.spaces import SCALE


def random_images(seed: int, *, count: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), num_colours=st.integers(2, 256) | st.integers(257, 2000))
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


@given(seed=st.integers(0, 10**6), num_colours=st.integers(2, 256) | st.integers(257, 65_536))
@settings(deadline=None, max_examples=30)
def test_round_trip(seed: int, num_colours: int) -> None:
    """Labels given the colours of any palette are read from the picture again; they have 8 bits where these suffice."""
    generator = np.random.default_rng(seed)
    colours = generator.choice(256**3, num_colours, replace=False)[:, None] // [65_536, 256, 1] % 256
    labels = generator.integers(0, num_colours, (2, 4, 4))
    palette = (colours / SCALE).astype(np.float32)

    images = decode(labels, palette)

    assert (images == colours[labels].transpose(0, 3, 1, 2)).all()
    assert (quantize(images, palette) == labels).all()
    assert quantize(images, palette).dtype == (np.uint8 if num_colours <= 256 else np.int32)


def test_chunks() -> None:
    """Images are labelled alike alone and among many."""
    images = random_images(0, count=300)
    palette = np.random.default_rng(1).random((5, 3), dtype=np.float32)

    assert (quantize(images, palette)[-1] == quantize(images[-1:], palette)[0]).all()


@pytest.mark.parametrize("num_colours", [255, 256, 257])
def test_distances_in_parts(num_colours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few distances are held at a time, the labels are the same."""
    images, palette = random_images(0), np.random.default_rng(1).random((num_colours, 3), dtype=np.float32)
    labels = quantize(images, palette)

    monkeypatch.setattr(palettes, "CELLS", 1000)

    assert (quantize(images, palette) == labels).all()


@pytest.mark.parametrize("num_colours", [256, 65_536])
def test_memory(num_colours: int) -> None:
    """Labelling takes a small part of the memory of all distances of pixels and colours, which are up to 8 gigabytes here."""
    images = np.random.default_rng(0).integers(0, 256, (32, 3, 32, 32), dtype=np.uint8)
    palette = np.random.default_rng(1).random((num_colours, 3), dtype=np.float32)
    quantize(images[:1], palette)  # what is loaded once does not count
    tracemalloc.start()
    try:
        quantize(images, palette)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 3 * 4 * palettes.CELLS


def test_images_are_left_alone(bundle: DataBundle) -> None:
    """Neither quantizing nor fitting writes to the images, which may be read-only."""
    images = bundle.validation_images

    fit(images, num_colours=2, seed=0)
    quantize(images, bundle.palettes[PaletteName(4)])

    assert not images.flags.writeable


@pytest.mark.parametrize("space", COLOUR_SPACES)
@pytest.mark.parametrize("num_colours", [6, 300])
def test_fit_is_repeatable(num_colours: int, space: str, bundle: DataBundle) -> None:
    """The same pixels and seed give the same palette, to the bit."""
    first, second = (fit(bundle.validation_images, num_colours=num_colours, seed=3, space=space) for _ in range(2))

    assert len(first) == num_colours
    assert (first == second).all()


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


def test_many_colours_are_nearer() -> None:
    """A palette of more colours, however it is fitted, leaves less of the squared error."""
    images = np.random.default_rng(0).integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    fitted = [fit(images, num_colours=count, seed=0) for count in (64, 256, 257, 1024)]

    errors = [((decode(quantize(images, palette), palette) / 256 - images / 256) ** 2).mean() for palette in fitted]

    few, most_of_k_means, least_of_search, many = errors
    assert many < 0.6 * most_of_k_means < 0.6 * few
    assert least_of_search < 1.15 * most_of_k_means


def test_as_many_colours_as_there_are() -> None:
    """Images of 300 colours have these as their palette of 300, from dark to light, and none of 301."""
    values = np.random.default_rng(0).choice(256**3, 300, replace=False)
    colours = (values[:, None] // [65_536, 256, 1] % 256).astype(np.uint8)
    images = np.ascontiguousarray(np.resize(colours, (2, 20, 20, 3)).transpose(0, 3, 1, 2))

    palette = fit(images, num_colours=300, seed=0)

    assert {tuple(colour) for colour in (palette * SCALE).round().astype(int).tolist()} == set(
        map(tuple, colours.tolist())
    )
    assert (np.diff(palette.sum(axis=1)) >= 0).all()
    with pytest.raises(DataError, match="no palette of 301 colours: 800 pixels of the images hold 300"):
        fit(images, num_colours=301, seed=0)


def test_greys_hold_one_chroma() -> None:
    """What rounding leaves of the chroma of greys makes no palette."""
    greys = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16).repeat(3, axis=1)

    with pytest.raises(DataError, match="no palette of 2 chromas: 256 pixels of the images hold 1"):
        fit(greys, num_colours=2, seed=0, space="lab")


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), num_colours=st.integers(2, 256) | st.integers(257, 2000))
def test_nearest_chroma(seed: int, num_colours: int) -> None:
    """No chroma of the palette is nearer to a pixel's (a, b), by scikit-image's, than the one that labels it."""
    images = random_images(seed)
    chroma = np.random.default_rng(seed + 1).uniform(-80, 80, (num_colours, 2)).astype(np.float32)

    labels = quantize(images, chroma)

    pixels = color.rgb2lab(images.transpose(0, 2, 3, 1))[..., 1:]
    distances = np.linalg.norm(pixels[..., None, :] - chroma, axis=-1)
    chosen = np.take_along_axis(distances, labels[..., None].astype(np.int64), axis=-1)[..., 0]
    np.testing.assert_allclose(chosen, distances.min(axis=-1), atol=0.05)


GENTLE = st.tuples(st.integers(-3, 3), st.integers(-3, 3))
"""Chroma in steps of 5 that a screen can show at middling lightness."""


@settings(deadline=None, max_examples=50)
@given(st.lists(GENTLE, min_size=2, max_size=49, unique=True), st.integers(0, 10**6))
def test_chroma_round_trip(steps: list[tuple[int, int]], seed: int) -> None:
    """Labels given a chroma and a middling grey are read from the picture again, and the picture has that grey."""
    chroma = 5 * np.array(steps, dtype=np.float32)
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(chroma), (2, 4, 4)).astype(np.uint8)
    grey = generator.uniform(90, 200, labels.shape).astype(np.float32)

    images = decode(labels, chroma, grey=grey)

    assert (quantize(images, chroma) == labels).all()
    np.testing.assert_allclose(images.mean(axis=1), grey, atol=0.8)


def test_chroma_of_many_images() -> None:
    """Images are labelled and decoded alike alone and among many."""
    images = random_images(0, count=300)
    chroma = np.array([[0, 0], [30, 10], [-20, 40]], dtype=np.float32)
    grey = images.mean(axis=1, dtype=np.float32)

    labels = quantize(images, chroma)

    assert (labels[-1] == quantize(images[-1:], chroma)[0]).all()
    assert (decode(labels, chroma, grey=grey)[-1] == decode(labels[-1:], chroma, grey=grey[-1:])[0]).all()


def test_fit_chroma(bundle: DataBundle) -> None:
    """A palette of chroma goes from grey to vivid, within what a screen can show."""
    chroma = fit(bundle.validation_images, num_colours=6, seed=3, space="lab")

    assert chroma.shape == (6, 2)
    assert (np.diff(np.linalg.norm(chroma, axis=1)) >= 0).all()
    assert np.abs(chroma).max() < 110


def test_fit_chroma_sees_no_light() -> None:
    """Images of one hue in many lightnesses beside grey have two chromas, of which grey is the first."""
    labels = np.tile([[0, 1]], (1, 40, 20)).astype(np.uint8)
    grey = np.linspace(60, 180, labels.size, dtype=np.float32).reshape(labels.shape)
    images = decode(labels, np.array([[0, 0], [12, -12]], dtype=np.float32), grey=grey)

    np.testing.assert_allclose(fit(images, num_colours=2, seed=0, space="lab"), [[0, 0], [12, -12]], atol=0.2)


def test_shown() -> None:
    """An RGB palette is shown as it is; a chroma with the light of a grey, and no chroma as that grey."""
    rgb = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    chroma = np.array([[0, 0], [20, -30]], dtype=np.float32)

    assert (shown(rgb, grey=0.5) == rgb).all()
    grey, blue = shown(chroma, grey=0.5)
    np.testing.assert_allclose(grey, 0.5, atol=1e-3)
    assert blue[2] > blue[0] > blue[1]
