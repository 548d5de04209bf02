"""Photos of any size, coloured by a network that knows only small ones.

The network learned pictures of 32 pixels, so it is shown the photo at a few sizes near that. Colours may be coarse where
brightness may not: their expected chroma (RGB less its mean) is averaged over the sizes, spread over the whole photo, and
added to the photo's own grey at full size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, UInt8, UInt16
from PIL import Image
from torch import Tensor
from torch.nn import functional

from colournet import files
from colournet.checkpoints import Model
from colournet.decoding import restore_grey
from colournet.errors import CheckpointError, ConfigError, DataError
from colournet.evaluation import colours_of
from colournet.photos import LEVELS, SUFFIXES, Photo, read_photo, write_photo
from colournet.spaces import to_bytes

SCALES = (32, 48, 64)
"""Lengths of a photo's shorter side, in pixels, at which the network sees it."""

_LONGEST_PIXELS = 1024  # of the longer side as the network sees it: a strip of wallpaper is shown smaller
_MULTIPLE = 16  # of both sides, for networks that halve them up to four times


@dataclass(frozen=True)
class Job:
    """One photo and where its colouring goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    error: DataError | None


def plan(images: Iterable[Path], out: Path) -> list[Job]:
    """Name the target of every image, and of every PNG, JPEG and WebP file of every folder among them, by name.

    A target is called `NAME-colour.png`, or `NAME-colour-2.png` and so on where the name is another's of this plan or
    would overwrite an input. Raises `ConfigError` if a folder holds no picture, or `out` is no folder.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out}: not a folder", hint="give another --out")
    sources = list({path.resolve(): path for image in images for path in _files(image)}.values())
    taken = {path.resolve() for path in sources}
    jobs = []
    for source in sources:
        target = _free_name(source, out, taken)
        taken.add(target.resolve())
        jobs.append(Job(source, target))
    return jobs


def colourize_files(
    model: Model, jobs: Sequence[Job], *, method: str = "mean", on_image: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Colour each photo and write it; one that cannot be read or written is skipped, and its outcome tells why.

    `on_image` is told of each as it is done. Raises `CheckpointError` if the model's answer is not finite.
    """
    outcomes = []
    for job in jobs:
        error = None
        try:
            photo = read_photo(job.source)
            write_photo(job.target, photo, painter(photo, predict_chroma(model, photo.grey, method=method)))
        except DataError as caught:
            error = caught
        outcomes.append(Outcome(job, error))
        if on_image is not None:
            on_image(outcomes[-1])
    return outcomes


def predict_chroma(
    model: Model, grey: UInt16[np.ndarray, "h w"], *, method: str = "mean", scales: Sequence[int] = SCALES
) -> Float32[np.ndarray, "3 y x"]:
    """The network's RGB less its mean, averaged over the scales, at the size of the largest one.

    Raises `CheckpointError` if it is not finite.
    """
    reduced = _reduce(grey, max(1, min(grey.shape) // (4 * max(scales))))
    device = next(model.network.parameters()).device
    sizes = [_size_at(grey.shape, scale) for scale in sorted(scales)]
    total = np.zeros((3, *sizes[-1]), dtype=np.float32)
    for size in sizes:
        level = torch.from_numpy(_resize(reduced, size)).clamp(0, 1 - 1 / LEVELS)
        rgb = colours_of(model, _pad(level[None, None]).to(device), method=method)[0, :, : size[0], : size[1]].cpu()
        total += np.stack([_resize(plane, sizes[-1]) for plane in (rgb - rgb.mean(dim=0)).numpy()])
    if not np.isfinite(total).all():
        raise CheckpointError("the model's answer is not made of finite numbers", hint="choose another run")
    return total / len(sizes)


def painter(photo: Photo, chroma: Float32[np.ndarray, "3 y x"]) -> Callable[[int, int], UInt8[np.ndarray, "rows w 3"]]:
    """The function that gives any rows of the photo in colour: chroma spread to full size, the grey its own."""
    height, width = photo.size
    planes = [Image.fromarray(plane) for plane in chroma]
    step = chroma.shape[1] / height

    def paint(top: int, bottom: int) -> UInt8[np.ndarray, "rows w 3"]:
        box = (0.0, top * step, float(chroma.shape[2]), min(bottom * step, float(chroma.shape[1])))
        spread = [np.array(plane.resize((width, bottom - top), Image.Resampling.BICUBIC, box)) for plane in planes]
        level = torch.from_numpy(photo.grey[top:bottom].astype(np.float32) / LEVELS)
        rgb = restore_grey(torch.from_numpy(np.stack(spread))[None], level[None, None])[0]
        return np.asarray(to_bytes(rgb).permute(1, 2, 0))

    return paint


def _files(image: Path) -> list[Path]:
    if not image.is_dir():
        return [image]
    found = sorted(path for path in image.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise ConfigError(f"{image}: holds no picture", hint=f"known are files named {', '.join(SUFFIXES)}")
    return found


def _free_name(source: Path, out: Path, taken: set[Path]) -> Path:
    number = 1
    while True:
        target = out / f"{source.stem}-colour{'' if number == 1 else f'-{number}'}.png"
        if taken.isdisjoint({target.resolve(), files.scratch(target).resolve()}):
            return target
        number += 1


def _size_at(size: Sequence[int], scale: int) -> tuple[int, int]:
    """Height and width of a photo whose shorter side is `scale`, or whose longer side is as long as it may be."""
    factor = min(scale / min(size), _LONGEST_PIXELS / max(size))
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def _reduce(grey: UInt16[np.ndarray, "h w"], factor: int) -> Float32[np.ndarray, "y x"]:
    """Means of squares of `factor` pixels, in [0, 1); the last ones may be of fewer."""
    height, width = grey.shape
    columns = np.arange(0, width, factor)
    counts = np.diff(np.append(columns, width))
    rows = [
        np.add.reduceat(grey[top : top + factor].mean(axis=0, dtype=np.float32), columns) / counts
        for top in range(0, height, factor)
    ]
    return np.stack(rows).astype(np.float32) / LEVELS


def _resize(plane: Float32[np.ndarray, "h w"], size: tuple[int, int]) -> Float32[np.ndarray, "y x"]:
    return np.array(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BICUBIC))


def _pad(level: Tensor) -> Tensor:
    """Repeat the last row and column until both sides can be halved as often as networks do."""
    bottom, right = (-side % _MULTIPLE for side in level.shape[2:])
    return functional.pad(level, (0, right, 0, bottom), mode="replicate")
