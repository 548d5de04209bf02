"""Palettes: k-means over pixels, the nearest colour of each pixel, and back.

A palette holds RGB, (k, 3), or chroma alone, (k, 2): its shape tells which (`colournet.spaces`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from jaxtyping import Float32, Float64, Integer, UInt8
from threadpoolctl import threadpool_limits

from colournet.errors import DataError
from colournet.palette_name import PaletteName
from colournet.spaces import SCALE, SPACES, of_channels, to_bytes

CELLS = 2**24
"""So many distances, of pixels to colours, are held at a time."""

_FEW_COLOURS = 256  # labels of 8 bits, and each pixel compared with each colour; beyond, a tree finds the nearest
_MOST_PIXELS = 50_000
_PIXELS_PER_COLOUR = 8
_ROUNDS = 20
_CHUNK_IMAGES = 256


def fit(
    images: UInt8[np.ndarray, "n 3 h w"], *, num_colours: int, seed: int, space: str = "rgb"
) -> Float32[np.ndarray, "k d"]:
    """Find the k-means centres of (a seeded sample of) the pixels of `images`, in one of `colournet.config.COLOUR_SPACES`.

    RGB in [0, 1) from dark to light, or (a, b) from grey to vivid. The same on every run: one thread, a fixed seed, and
    centres rounded (to 1e-4; 0.01), coarser than the noise of summation. Raises `DataError` if those pixels hold fewer
    different colours.
    """
    kind = SPACES[space]
    pixels = _sample(images, count=max(_MOST_PIXELS, _PIXELS_PER_COLOUR * num_colours), seed=seed)
    columns = kind.of_bytes(torch.tensor(pixels.T)[:, :, None])
    points = np.ascontiguousarray(columns[:, :, 0].T.numpy())
    different = np.unique(points.round(kind.decimals), axis=0)
    if len(different) < num_colours:
        raise DataError(
            f"no palette of {PaletteName(num_colours, space).words}: {len(points)} pixels of the images hold {len(different)}",
            hint="ask for fewer, or read more images",
        )
    with threadpool_limits(limits=1):
        if num_colours <= _FEW_COLOURS:
            centres = _k_means(points, num_colours=num_colours, seed=seed)
        else:
            centres = _many_means(points, different, num_colours=num_colours, seed=seed)
    centres = centres.round(kind.decimals).astype(np.float32)
    return np.ascontiguousarray(centres[np.argsort(kind.rank(centres), kind="stable")])


def quantize(images: UInt8[np.ndarray, "n 3 h w"], palette: Float32[np.ndarray, "k d"]) -> Integer[np.ndarray, "n h w"]:
    """Label each pixel with the index of its nearest palette colour, Euclidean in the palette's space; of equals, the first.

    Of up to 256 colours the labels are uint8; of more they are int32, and of equals any.
    """
    convert = of_channels(palette.shape[1]).of_bytes
    is_small = len(palette) <= _FEW_COLOURS
    nearest = _compare(palette) if is_small else _search(palette)
    labels = np.empty((len(images), *images.shape[2:]), dtype=np.uint8 if is_small else np.int32)
    with threadpool_limits(limits=1):
        for chunk in _chunks(len(images)):
            points = convert(torch.tensor(images[chunk])).permute(0, 2, 3, 1).numpy()
            labels[chunk] = nearest(points.reshape(-1, palette.shape[1])).reshape(points.shape[:-1])
    return labels


def decode(
    labels: Integer[np.ndarray, "n h w"],
    palette: Float32[np.ndarray, "k d"],
    *,
    grey: Float32[np.ndarray, "n h w"] | None = None,
) -> UInt8[np.ndarray, "n 3 h w"]:
    """Colour each label with its palette colour, to which `grey`, the mean of R, G and B in [0, 255], brings the light.

    Chroma needs the grey (and is approximate: see `colournet.spaces.light_up`); an RGB palette takes no notice of it.
    """
    to_rgb = of_channels(palette.shape[1]).to_rgb
    images = np.empty((len(labels), 3, *labels.shape[1:]), dtype=np.uint8)
    for chunk in _chunks(len(labels)):
        colours = torch.from_numpy(palette[labels[chunk]]).permute(0, 3, 1, 2)
        level = None if grey is None else torch.tensor(grey[chunk])[:, None] / SCALE
        images[chunk] = to_bytes(to_rgb(colours, level)).numpy()
    return images


def shown(palette: Float32[np.ndarray, "k d"], *, grey: float) -> Float32[np.ndarray, "k 3"]:
    """The palette's colours as RGB in [0, 1): of chroma, under the light of a grey in [0, 1)."""
    colours = torch.tensor(palette).T[None, :, :, None]
    level = torch.full((1, 1, len(palette), 1), grey)
    return np.asarray(of_channels(palette.shape[1]).to_rgb(colours, level)[0, :, :, 0].T.numpy())


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK_IMAGES) for start in range(0, count, _CHUNK_IMAGES))


def _sample(images: UInt8[np.ndarray, "n 3 h w"], *, count: int, seed: int) -> UInt8[np.ndarray, "pixels 3"]:
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    if len(pixels) <= count:
        return pixels
    generator = np.random.default_rng(seed)
    return pixels[np.sort(generator.choice(len(pixels), count, replace=False))]


def _k_means(points: Float32[np.ndarray, "pixels d"], *, num_colours: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    return np.asarray(KMeans(n_clusters=num_colours, n_init=2, random_state=seed).fit(points).cluster_centers_)


def _many_means(
    points: Float32[np.ndarray, "pixels d"], different: Float32[np.ndarray, "colours d"], *, num_colours: int, seed: int
) -> Float64[np.ndarray, "k d"]:
    """Lloyd's rounds from different colours drawn at random: 65,536 take seconds, where scikit-learn's k-means takes hours.

    At 1,024 colours its mean squared distance was 8 % above that of scikit-learn's (measured on CIFAR-10's horses).
    """
    start = np.random.default_rng(seed).choice(len(different), num_colours, replace=False)
    centres = different[np.sort(start)].astype(np.float64)
    for _ in range(_ROUNDS):
        labels = _search(centres)(points)
        counts = np.bincount(labels, minlength=num_colours)[:, None]
        sums = [np.bincount(labels, weights=column, minlength=num_colours) for column in points.T]
        centres = np.where(counts > 0, np.stack(sums, axis=1) / counts.clip(min=1), centres)
    return centres


def _compare(palette: Float32[np.ndarray, "k d"]) -> Callable[[np.ndarray], np.ndarray]:
    """The function that finds the nearest colour of points by comparing each with all."""
    offset = (palette**2).sum(axis=1) / 2
    step = CELLS // len(palette)

    def nearest(points: Float32[np.ndarray, "pixels d"]) -> Integer[np.ndarray, " pixels"]:
        labels = np.empty(len(points), dtype=np.int64)
        for start in range(0, len(points), step):
            part = slice(start, start + step)
            labels[part] = (offset - points[part] @ palette.T).argmin(axis=-1)
        return labels

    return nearest


def _search(palette: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The function that finds the nearest colour of points by a tree, in time and memory that hardly grow with the palette."""
    from sklearn.neighbors import KDTree

    tree = KDTree(palette)
    return lambda points: tree.query(points, return_distance=False)[:, 0]
