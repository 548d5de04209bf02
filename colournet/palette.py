"""Palettes: k-means over pixels, the nearest colour of each pixel, and back."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from threadpoolctl import threadpool_limits

SCALE = 256
"""8-bit colours are divided by 256, not 255: the assignment's scale, on which its weights and figures rest."""

_MOST_PIXELS = 50_000
_CHUNK_IMAGES = 256


def fit(images: UInt8[np.ndarray, "n 3 h w"], *, num_colours: int, seed: int) -> Float32[np.ndarray, "k 3"]:
    """Find the k-means centres of (a seeded sample of) the pixels of `images`: RGB in [0, 1), from dark to light.

    The same on every run: one thread, a fixed seed, and centres rounded to 1e-4, coarser than the noise of summation.
    """
    from sklearn.cluster import KMeans

    generator = np.random.default_rng(seed)
    pixels = images.transpose(0, 2, 3, 1).reshape(-1, 3)
    if len(pixels) > _MOST_PIXELS:
        pixels = pixels[np.sort(generator.choice(len(pixels), _MOST_PIXELS, replace=False))]
    means = KMeans(n_clusters=num_colours, n_init=2, random_state=seed)
    with threadpool_limits(limits=1):
        means.fit(pixels.astype(np.float32) / SCALE)
    centres = np.round(means.cluster_centers_, 4).astype(np.float32)
    by_light = np.argsort(centres.sum(axis=1), kind="stable")
    return np.ascontiguousarray(centres[by_light])


def quantize(images: UInt8[np.ndarray, "n 3 h w"], palette: Float32[np.ndarray, "k 3"]) -> UInt8[np.ndarray, "n h w"]:
    """Label each pixel with the index of its nearest palette colour (Euclidean in RGB; of equals, the first)."""
    labels = np.empty((len(images), *images.shape[2:]), dtype=np.uint8)
    offset = (palette**2).sum(axis=1) / 2
    with threadpool_limits(limits=1):
        for start in range(0, len(images), _CHUNK_IMAGES):
            chunk = images[start : start + _CHUNK_IMAGES].transpose(0, 2, 3, 1).astype(np.float32) / SCALE
            labels[start : start + _CHUNK_IMAGES] = (offset - chunk @ palette.T).argmin(axis=-1)
    return labels


def decode(labels: UInt8[np.ndarray, "n h w"], palette: Float32[np.ndarray, "k 3"]) -> UInt8[np.ndarray, "n 3 h w"]:
    """Colour each label with its palette colour."""
    colours = np.clip(np.round(palette * SCALE), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(colours[labels].transpose(0, 3, 1, 2))
