"""Palettes: k-means over pixels, the nearest colour of each pixel, and back.

A palette holds RGB colours, or chroma alone: the a and b of CIE L*a*b*, to which the grey of each pixel brings the light.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float32, UInt8
from threadpoolctl import threadpool_limits

from colournet import colour

SCALE = 256
"""8-bit colours are divided by 256, not 255: the assignment's scale, on which its weights and figures rest."""

_MOST_PIXELS = 50_000
_CHUNK_IMAGES = 256


def fit(images: UInt8[np.ndarray, "n 3 h w"], *, num_colours: int, seed: int) -> Float32[np.ndarray, "k 3"]:
    """Find the k-means centres of (a seeded sample of) the pixels of `images`: RGB in [0, 1), from dark to light.

    The same on every run: one thread, a fixed seed, and centres rounded to 1e-4, coarser than the noise of summation.
    """
    points = _sample(images, seed=seed).astype(np.float32) / SCALE
    centres = _centres(points, num_colours=num_colours, seed=seed, decimals=4)
    return np.ascontiguousarray(centres[np.argsort(centres.sum(axis=1), kind="stable")])


def fit_chroma(images: UInt8[np.ndarray, "n 3 h w"], *, num_colours: int, seed: int) -> Float32[np.ndarray, "k 2"]:
    """Find the k-means centres of (a seeded sample of) the pixels of `images` in (a, b), from grey to vivid.

    a and b are those of CIE L*a*b* under D65. The same on every run, as `fit`; rounded to 0.01.
    """
    centres = _centres(_chroma(_sample(images, seed=seed)), num_colours=num_colours, seed=seed, decimals=2)
    return np.ascontiguousarray(centres[np.argsort((centres**2).sum(axis=1), kind="stable")])


def quantize(images: UInt8[np.ndarray, "n 3 h w"], palette: Float32[np.ndarray, "k 3"]) -> UInt8[np.ndarray, "n h w"]:
    """Label each pixel with the index of its nearest palette colour (Euclidean in RGB; of equals, the first)."""
    return _label(images, palette, lambda pixels: pixels.astype(np.float32) / SCALE)


def quantize_chroma(
    images: UInt8[np.ndarray, "n 3 h w"], chroma: Float32[np.ndarray, "k 2"]
) -> UInt8[np.ndarray, "n h w"]:
    """Label each pixel with the index of its nearest chroma (Euclidean in a and b; of equals, the first)."""
    return _label(images, chroma, _chroma)


def decode(labels: UInt8[np.ndarray, "n h w"], palette: Float32[np.ndarray, "k 3"]) -> UInt8[np.ndarray, "n 3 h w"]:
    """Colour each label with its palette colour."""
    colours = np.clip(np.round(palette * SCALE), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(colours[labels].transpose(0, 3, 1, 2))


def decode_chroma(
    labels: UInt8[np.ndarray, "n h w"], chroma: Float32[np.ndarray, "k 2"], grey: Float32[np.ndarray, "n h w"]
) -> UInt8[np.ndarray, "n 3 h w"]:
    """Colour each label with its chroma and the lightness of its grey, the mean of R, G and B in [0, 255].

    An approximation twice: the lightness of a colour is not quite that of its grey (blue looks darker than yellow of the same
    mean), and a chroma that no screen can show at that lightness is clipped.
    """
    colours = np.empty((*labels.shape, 3), dtype=np.uint8)
    for start in range(0, len(labels), _CHUNK_IMAGES):
        chunk = slice(start, start + _CHUNK_IMAGES)
        level = torch.from_numpy(grey[chunk] / np.float32(colour.WHITE_8BIT))
        lab = colour.srgb_to_lab(level[:, None].expand(-1, 3, -1, -1).contiguous())
        lab[:, 1:] = torch.from_numpy(chroma[labels[chunk]]).permute(0, 3, 1, 2)
        colours[chunk] = colour.lab_to_bytes(lab).permute(0, 2, 3, 1).numpy()
    return np.ascontiguousarray(colours.transpose(0, 3, 1, 2))


def _sample(images: UInt8[np.ndarray, "n 3 h w"], *, seed: int) -> UInt8[np.ndarray, "pixels 3"]:
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    if len(pixels) <= _MOST_PIXELS:
        return pixels
    generator = np.random.default_rng(seed)
    return pixels[np.sort(generator.choice(len(pixels), _MOST_PIXELS, replace=False))]


def _centres(
    points: Float32[np.ndarray, "pixels d"], *, num_colours: int, seed: int, decimals: int
) -> Float32[np.ndarray, "k d"]:
    from sklearn.cluster import KMeans

    means = KMeans(n_clusters=num_colours, n_init=2, random_state=seed)
    with threadpool_limits(limits=1):
        means.fit(points)
    return np.asarray(np.round(means.cluster_centers_, decimals).astype(np.float32))


def _label(
    images: UInt8[np.ndarray, "n 3 h w"],
    centres: Float32[np.ndarray, "k d"],
    convert: Callable[[np.ndarray], np.ndarray],
) -> UInt8[np.ndarray, "n h w"]:
    """The index of the nearest centre of each pixel, whose three 8-bit values `convert` turns into the centres' space."""
    labels = np.empty((len(images), *images.shape[2:]), dtype=np.uint8)
    offset = (centres**2).sum(axis=1) / 2
    with threadpool_limits(limits=1):
        for start in range(0, len(images), _CHUNK_IMAGES):
            chunk = convert(images[start : start + _CHUNK_IMAGES].transpose(0, 2, 3, 1))
            labels[start : start + _CHUNK_IMAGES] = (offset - chunk @ centres.T).argmin(axis=-1)
    return labels


def _chroma(pixels: UInt8[np.ndarray, "*shape 3"]) -> Float32[np.ndarray, "*shape 2"]:
    """The (a, b) of pixels whose colour is the last dimension."""
    columns = torch.tensor(pixels.reshape(-1, 3).T)[:, :, None]
    return np.asarray(colour.bytes_to_lab(columns)[1:, :, 0].T.reshape(*pixels.shape[:-1], 2).numpy())
