"""The embedded data set: the same bytes everywhere, scenes that differ, and a task that needs context."""

import hashlib

import numpy as np
import pytest

from colournet._scene_recipes import RECIPES
from colournet.config import CLASSES
from colournet.errors import ConfigError
from colournet.scenes import draw


def test_every_class_has_a_recipe() -> None:
    """The scenes have exactly the classes that a config may name, in their order."""
    assert tuple(RECIPES) == CLASSES


@pytest.mark.parametrize("category", CLASSES)
def test_every_coat_has_a_colour_for_every_part(category: str) -> None:
    """No figure has a part that one of its coats forgot."""
    roles = {part.role for part in RECIPES[category].parts}
    assert all(roles <= set(coat) for coat in RECIPES[category].coats)


@pytest.mark.parametrize("category", CLASSES)
@pytest.mark.parametrize("size", [16, 33, 64])
def test_shape_and_type(category: str, size: int) -> None:
    """Every class is drawn as bytes, channels first, in any size."""
    images = draw(category, 3, seed=0, size=size)
    assert (images.shape, images.dtype) == ((3, 3, size, size), np.uint8)


def test_same_arguments_same_bytes() -> None:
    """Two calls with the same arguments draw the same bytes."""
    assert draw("horse", 20, seed=5).tobytes() == draw("horse", 20, seed=5).tobytes()


def test_bytes_are_those_recorded() -> None:
    """All classes together still have the digest that was recorded: a change here changes every published figure."""
    digest = hashlib.sha256(b"".join(draw(category, 17, seed=1).tobytes() for category in CLASSES))
    assert digest.hexdigest() == "c842d856e923c6eae2c79e844e3a57ddad9169a1548313be121a76b0d580e2ee"


def test_image_does_not_depend_on_count() -> None:
    """The first images of a long draw are those of a short one, also across a block's end."""
    long = draw("ship", 50, seed=0)
    for count in (1, 10, 16, 17):
        np.testing.assert_array_equal(draw("ship", count, seed=0), long[:count])


@pytest.mark.parametrize("other", [{"seed": 1}, {"seed": 0, "split": "test"}])
def test_streams_share_no_image(other: dict[str, int | str]) -> None:
    """Another seed or split shares no image with the first."""
    known = {image.tobytes() for image in draw("horse", 100, seed=0)}
    assert len(known) == 100
    assert known.isdisjoint(image.tobytes() for image in draw("horse", 100, **other))


def test_colours_lie_where_they_belong() -> None:
    """Horses have blue above and green below, ships have blue below, and roads are grey."""
    top, bottom = (slice(0, 6), slice(26, 32))

    def mean_colour(category: str, rows: slice) -> np.ndarray:
        return draw(category, 200, seed=0)[:, :, rows].mean(axis=(0, 2, 3))

    red, green, blue = mean_colour("horse", top)
    assert blue > green + 10 > red + 10
    red, green, blue = mean_colour("horse", bottom)
    assert green > red + 10 > blue + 10
    red, green, blue = mean_colour("ship", bottom)
    assert blue > red + 20
    assert np.ptp(mean_colour("automobile", bottom)) < 20


def test_scenes_are_mirror_symmetric_on_average() -> None:
    """The mean image is nearly its own mirror image, and far from itself upside down."""
    mean = draw("horse", 1000, seed=0).mean(axis=0)
    assert np.abs(mean - mean[:, :, ::-1]).mean() < 3
    assert np.abs(mean - mean[:, ::-1]).mean() > 20


def test_single_scenes_are_not_symmetric() -> None:
    """A figure looks to one side: an image differs from its mirror image."""
    images = draw("horse", 20, seed=0).astype(float)
    assert (np.abs(images - images[:, :, :, ::-1]).mean(axis=(1, 2, 3)) > 5).all()


@pytest.mark.parametrize("category", CLASSES)
def test_place_tells_colour_that_grey_does_not(category: str) -> None:
    """Held-out colours are guessed better from grey and row than from grey alone, yet never with certainty."""
    train, test = draw(category, 300, seed=0), draw(category, 100, seed=0, split="test")
    by_grey = _held_out_nats(train, test, bands=1)
    by_place = _held_out_nats(train, test, bands=8)
    assert 0.3 < by_place < by_grey - 0.05


def test_horses_are_ambiguous_in_grey() -> None:
    """Knowing a horse picture's grey leaves more than a nat of hue open, and the row takes a quarter of a nat of it."""
    train, test = draw("horse", 300, seed=0), draw("horse", 100, seed=0, split="test")
    by_grey = _held_out_nats(train, test, bands=1)
    assert by_grey > 1.0
    assert _held_out_nats(train, test, bands=8) < by_grey - 0.25


def test_unknown_category_has_a_hint() -> None:
    """A misspelt category is answered with the nearest one."""
    with pytest.raises(ConfigError, match="'hrose'") as caught:
        draw("hrose", 1, seed=0)
    assert caught.value.hint == "did you mean 'horse'?"


@pytest.mark.parametrize(("name", "value"), [("count", 0), ("seed", -1), ("size", 15)])
def test_numbers_out_of_range(name: str, value: int) -> None:
    """A count, seed or size too small is an error that names it and the value."""
    with pytest.raises(ConfigError, match=f"{name} must be at least .*, got {value}"):
        draw("horse", **{"count": 1, "seed": 0, name: value})


def _held_out_nats(train: np.ndarray, test: np.ndarray, *, bands: int) -> float:
    """Cross-entropy of the hue bin of `test` under histograms of `train`, one for each grey level and band of rows."""
    keys, hues = _grey_and_band(train, bands), _hue_bin(train)
    counts = np.full((64 * bands, 17), 0.1)
    np.add.at(counts, (keys, hues), 1.0)
    odds = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log(odds[_grey_and_band(test, bands), _hue_bin(test)]).mean())


def _grey_and_band(images: np.ndarray, bands: int) -> np.ndarray:
    level = (images.mean(axis=1) / 4).astype(int)
    band = np.arange(images.shape[2]) * bands // images.shape[2]
    return (level * bands + band[:, None]).ravel()


def _hue_bin(images: np.ndarray) -> np.ndarray:
    """Sixteen sectors of the plane of (red - green, yellow - blue), and 16 for what is nearly grey."""
    red, green, blue = images.astype(float).transpose(1, 0, 2, 3)
    across, up = red - green, (red + green) / 2 - blue
    sector = ((np.arctan2(up, across) / np.pi + 1) * 8).astype(int) % 16
    return np.where(np.hypot(across, up) < 16, 16, sector).ravel()
