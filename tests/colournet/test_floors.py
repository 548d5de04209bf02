"""The floors, counted by hand where images are tiny and compared with known figures where CIFAR-10 is."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from skimage import color

from colournet import cifar10
from colournet.floors import colourings, fit_grey_table, measure

RED, GREEN, BLACK = (192, 0, 0), (0, 192, 0), (0, 0, 0)
PALETTE = np.array([BLACK, RED, GREEN], dtype=np.float32) / 256


def images_of(*pixels: tuple[int, int, int]) -> np.ndarray:
    """Images of one pixel each."""
    return np.array(pixels, dtype=np.uint8)[:, :, None, None]


def test_grey_table_counts() -> None:
    """Each grey level holds its own counts, plus one for every colour."""
    table = fit_grey_table(images_of(RED, RED, GREEN, BLACK), PALETTE)

    assert table.shape == (64, 3)
    np.testing.assert_allclose(table[16], [1 / 6, 3 / 6, 2 / 6])  # red and green are equally grey: 192 / 3 = 64
    np.testing.assert_allclose(table[0], [2 / 4, 1 / 4, 1 / 4])
    np.testing.assert_allclose(table[40], [1 / 3, 1 / 3, 1 / 3])


def test_grey_table_scores() -> None:
    """The table answers its likeliest colour, and pays for the truth what it thinks of it."""
    train, test = images_of(RED, RED, GREEN, BLACK), images_of(RED, GREEN)

    floor = measure(train, test, PALETTE)["grey_table"]

    assert floor["accuracy"] == 0.5
    assert floor["cross_entropy"] == pytest.approx(-(math.log(3 / 6) + math.log(2 / 6)) / 2)
    assert floor["mse"] == pytest.approx(2 * 0.75**2 / 6)  # green answered as red: two of six channels off by 192 / 256


def test_grey_copy() -> None:
    """Copying grey errs by each channel's distance from the mean of the three."""
    floor = measure(images_of(RED), images_of(RED), PALETTE)["grey_copy"]

    mse = (0.5**2 + 2 * 0.25**2) / 3
    assert floor == {"mse": pytest.approx(mse), "psnr_db": pytest.approx(-10 * math.log10(mse))}


def test_ceiling() -> None:
    """The ceiling errs by the distance to the nearest colour."""
    floor = measure(images_of(RED), images_of((0, 0, 16)), PALETTE)["palette_ceiling"]

    assert floor["mse"] == pytest.approx((16 / 256) ** 2 / 3)
    assert floor["accuracy"] == 1.0


def test_no_error_is_json() -> None:
    """Images in palette colours have no error, whose infinite PSNR is told as None, as JSON knows no infinity."""
    floors = measure(images_of(RED), images_of(RED, BLACK), PALETTE)

    assert floors["palette_ceiling"] == {"accuracy": 1.0, "mse": 0.0, "psnr_db": None}
    json.dumps(floors, allow_nan=False)


def test_chroma() -> None:
    """Under a palette of chroma the table counts chromas, and what it answers has the pixel's own grey."""
    brown, grey = (96, 54, 42), (64, 64, 64)  # equally grey
    chroma = color.rgb2lab(np.array([[brown]], dtype=np.uint8))[0, 0, 1:].astype(np.float32)
    palette = np.stack([np.zeros(2, dtype=np.float32), chroma])
    train = images_of(brown, brown, grey)

    table, floors = fit_grey_table(train, palette), measure(train, images_of(grey), palette)

    np.testing.assert_allclose(table[16], [2 / 5, 3 / 5])
    assert floors["grey_copy"]["mse"] == floors["palette_ceiling"]["mse"] == 0
    assert floors["grey_copy"]["chroma_mse"] == pytest.approx(0, abs=1e-9)
    assert floors["grey_table"]["cross_entropy"] == pytest.approx(-math.log(2 / 5))
    assert floors["grey_table"]["accuracy"] == 0
    assert floors["grey_table"]["chroma_mse"] == pytest.approx(((chroma / 50) ** 2).mean(), rel=1e-3)
    assert floors["grey_table"]["mse"] == pytest.approx((32**2 + 10**2 + 22**2) / 256**2 / 3, rel=0.05)  # grey as brown
    for floor in ("grey_table", "palette_ceiling"):
        picture = colourings(train, images_of(brown), palette)[floor].astype(int)
        assert np.abs(picture - images_of(brown)).max() <= 1


def test_many_colours() -> None:
    """A table of more colours than 8-bit labels can tell apart counts each."""
    values = np.arange(1000)
    colours = np.stack([values // 100 * 25, values // 10 % 10 * 25, values % 10 * 25], axis=1).astype(np.uint8)
    images = colours[:, :, None, None]
    palette = (colours / 256).astype(np.float32)

    floors = measure(images, images, palette)

    assert floors["palette_ceiling"] == {"mse": 0.0, "accuracy": 1.0, "psnr_db": None}
    greys = colours.sum(axis=1, dtype=int) * 64 // 768
    assert floors["grey_table"]["accuracy"] == pytest.approx(len(np.unique(greys)) / 1000)  # one colour of each grey


@pytest.mark.cifar
def test_horses(cifar_dir: Path, course_palette: np.ndarray) -> None:
    """On the horses with the course's colours the table is better than every published network of the course."""
    folder = cifar10.locate(cifar_dir)
    train = cifar10.read(folder, split="train", classes=["horse"])["horse"]
    test = cifar10.read(folder, split="test", classes=["horse"])["horse"]

    floors = measure(train, test, course_palette)

    assert floors["grey_table"]["cross_entropy"] == pytest.approx(0.918, abs=0.03)
    assert floors["grey_table"]["accuracy"] == pytest.approx(0.625, abs=0.015)
    assert floors["grey_copy"]["mse"] == pytest.approx(0.0048, abs=0.0005)


def test_colourings() -> None:
    """The pictures of the floors: grey, the likeliest colour, the nearest, and the nearest with the pixel's own grey."""
    images = images_of((250, 10, 10), BLACK)

    pictures = colourings(images, images, PALETTE)

    assert pictures["grey_copy"][0, :, 0, 0].tolist() == [90, 90, 90]
    assert pictures["palette_ceiling"][0, :, 0, 0].tolist() == list(RED)
    restored = pictures["palette_ceiling_grey_restored"][0, :, 0, 0].astype(int)
    assert restored.tolist() == np.clip(np.rint(np.array(RED) - np.mean(RED) + 90), 0, 255).tolist()
    for floor in ("grey_table", "palette_ceiling"):
        error = ((pictures[floor] / 256 - images / 256) ** 2).mean()
        assert measure(images, images, PALETTE)[floor]["mse"] == pytest.approx(error)
