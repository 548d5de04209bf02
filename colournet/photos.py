"""Pictures of any size: read as grey and alpha, and written in strips, so that 50 megapixels need no gigabyte."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image, UnidentifiedImageError

from colournet import files
from colournet.errors import DataError

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
LEVELS = 65_536
"""Grey is kept in so many steps: an 8-bit mean times 256, a 16-bit level as it is."""

_STRIP_PIXELS = 1 << 20
_ORIENTATION_TAG = 0x0112
_MALFORMED = (SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError, struct.error)
_DAMAGE = (*_MALFORMED, OSError, zlib.error, RuntimeError, MemoryError, NotImplementedError)

# What each EXIF orientation asks for, as views. Reference: EXIF 2.32, tag 0x0112.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda rows: rows[:, ::-1],
    3: lambda rows: rows[::-1, ::-1],
    4: lambda rows: rows[::-1],
    5: lambda rows: rows.T,
    6: lambda rows: rows.T[:, ::-1],
    7: lambda rows: rows.T[::-1, ::-1],
    8: lambda rows: rows.T[::-1],
}


@dataclass(frozen=True)
class Photo:
    """What a picture is coloured from; whatever colour it had is gone."""

    grey: UInt16[np.ndarray, "h w"]
    """Mean of R, G and B, upright, in steps of 1 / 65536."""

    alpha: UInt8[np.ndarray, "h w"] | None
    """Opacity, None where all of it is opaque."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.grey.shape
        return height, width


def read_photo(path: Path) -> Photo:
    """Read a PNG, JPEG or WebP file (its first frame), turned upright as its EXIF orientation asks.

    16-bit grey is read at its full depth; 16-bit colour, which Pillow reads at 8 bits, at 8. Raises `DataError` if the file
    is missing, damaged, of another format, or of more pixels than Pillow's limit (`Image.MAX_IMAGE_PIXELS`).
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=FORMATS) as image:
                image.load()
                grey, alpha = _planes(image)
                turn = _TURNS.get(_orientation(image), np.asarray)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            most = (Image.MAX_IMAGE_PIXELS or 0) // 10**6
            raise DataError(f"{path}: has more than {most} million pixels, the limit of what is opened") from error
        except UnidentifiedImageError as error:
            raise DataError(f"{path}: not a PNG, JPEG or WebP picture") from error
        except _DAMAGE as error:
            reason = " ".join((str(error) or type(error).__name__).split())
            raise DataError(f"{path}: damaged: {reason}") from error
    return Photo(turn(grey), None if alpha is None else turn(alpha))


def write_photo(path: Path, photo: Photo, paint: Callable[[int, int], UInt8[np.ndarray, "rows w 3"]]) -> None:
    """Write a PNG, whole or not at all, whose rows `paint(top, bottom)` gives strip by strip; alpha is the photo's.

    Raises `DataError` if it cannot be written.
    """
    height, width = photo.size
    image = Image.new("RGB" if photo.alpha is None else "RGBA", (width, height))
    for top, bottom in _strips(height, width):
        rows = paint(top, bottom)
        if photo.alpha is not None:
            rows = np.dstack([rows, photo.alpha[top:bottom]])
        image.paste(Image.fromarray(np.ascontiguousarray(rows)), (0, top))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as part:
            image.save(part, format="PNG")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}", hint="give another --out") from error


def _planes(image: Image.Image) -> tuple[UInt16[np.ndarray, "h w"], UInt8[np.ndarray, "h w"] | None]:
    """Grey and alpha of an image as it lies in the file."""
    deep = image.mode.startswith("I")
    transparent = image.has_transparency_data and not deep
    grey = np.empty((image.height, image.width), dtype=np.uint16)
    alpha = np.empty(grey.shape, dtype=np.uint8) if transparent else None
    for top, bottom in _strips(*grey.shape):
        strip = image.crop((0, top, image.width, bottom))
        if deep:
            grey[top:bottom] = np.asarray(strip).clip(0, LEVELS - 1)
            continue
        pixels = np.asarray(strip.convert("RGBA" if transparent else "RGB"))
        grey[top:bottom] = (pixels[..., :3].sum(axis=2, dtype=np.uint32) * 256 + 1) // 3
        if alpha is not None:
            alpha[top:bottom] = pixels[..., 3]
    return grey, None if alpha is None or alpha.min() == 255 else alpha


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION_TAG)
    except _DAMAGE:  # broken metadata of a good picture
        return None


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        yield top, min(top + rows, height)
