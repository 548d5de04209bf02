"""A palette fitted on its own, to be looked at and kept: a small JSON file, and a picture of its swatches beside it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from colournet import colour, palette, pictures
from colournet.config import CLASSES, TrainConfig, check_value
from colournet.data import read_train_images
from colournet.errors import ConfigError
from colournet.files import write_text
from colournet.palette_name import PaletteName
from colournet.spaces import SCALE

_UNITS = {
    "rgb": "R, G, B in [0, 1): the 8-bit value / 256",
    "lab": "a, b of CIE L*a*b* under D65 (sRGB, white = 255)",
}
_INNERMOST_LIST = re.compile(r"\[([^\[\]]*)\]")
_LIGHTNESSES = (80.0, 60.0, 40.0)  # at which a chroma is shown


@dataclass(frozen=True, kw_only=True)
class FittedPalette:
    """A palette and what is known of it."""

    space: str
    """`rgb`, or `lab`: chroma alone, to which the grey of a pixel brings the light."""
    colours: Float32[np.ndarray, "k d"]
    """RGB in [0, 1), from dark to light; or (a, b), from grey to vivid."""
    shares: list[float]
    """Fraction of the training pixels that is nearest to each colour."""
    provenance: dict[str, Any]
    """Data set, categories, number and SHA-256 of the training images, seed, version."""

    def to_json(self) -> str:
        """The text of a palette file, the same for the same palette."""
        values = {
            "format": 1,
            "space": self.space,
            "k": len(self.colours),
            "unit": _UNITS[self.space],
            "colours": [[float(str(value)) for value in row] for row in self.colours],
            "shares": self.shares,
            "provenance": self.provenance,
        }
        text = json.dumps(values, indent=2, allow_nan=False)
        return _INNERMOST_LIST.sub(lambda found: "[" + " ".join(found[1].split()) + "]", text) + "\n"  # a colour a line


def fit(
    *,
    dataset: str,
    categories: Sequence[str],
    num_colours: int,
    space: str,
    data_seed: int,
    data_dir: Path | None = None,
) -> FittedPalette:
    """Fit a palette to the training images of some categories, validation left out as for a run of the same seed.

    For one category it is the palette that `train` uses. Raises `ConfigError` for a setting that does not exist,
    `DataError` where the images hold fewer colours than are asked for.
    """
    classes = _classes(categories)
    config = TrainConfig(
        dataset=dataset,
        category=classes[0],
        extra_classes=classes[1:],
        colour_space=space,
        num_colours=num_colours,
        data_seed=data_seed,
    )
    images = read_train_images(config, data_dir=data_dir)
    colours = palette.fit(images, num_colours=num_colours, space=space, seed=data_seed)
    counts = np.bincount(palette.quantize(images, colours).ravel(), minlength=num_colours)
    return FittedPalette(
        space=space,
        colours=colours,
        shares=[round(float(share), 6) for share in counts / counts.sum()],
        provenance={
            "dataset": dataset,
            "categories": list(classes),
            "images": len(images),
            "images_sha256": hashlib.sha256(np.ascontiguousarray(images).data).hexdigest(),
            "data_seed": data_seed,
            "version": metadata.version("colournet-study"),
        },
    )


def check_path(path: Path) -> None:
    """Raise `ConfigError` if `path` cannot be a palette file by its name."""
    if path.suffix != ".json":
        raise ConfigError(f"{path}: a palette file ends in .json", hint=f"try --out {path.with_suffix('.json')}")


def save(fitted: FittedPalette, path: Path) -> Path:
    """Write a palette file and, beside it, the picture of its swatches, whose path is answered.

    Raises `ConfigError` as `check_path`, or if the files cannot be written.
    """
    check_path(path)
    picture = path.with_suffix(".png")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, fitted.to_json())
        pictures.save_swatches(picture, bands(fitted), captions(fitted), title=title(fitted))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}", hint="give another --out") from error
    return picture


def bands(fitted: FittedPalette) -> UInt8[np.ndarray, "k bands 3"]:
    """The colours of each swatch from top to bottom: one in RGB; of a chroma three, at L = 80, 60 and 40."""
    if fitted.space == "rgb":
        return np.clip(np.round(fitted.colours * SCALE), 0, 255).astype(np.uint8)[:, None]
    lab = torch.empty(3, len(fitted.colours), len(_LIGHTNESSES))
    lab[0] = torch.tensor(_LIGHTNESSES)
    lab[1:] = torch.from_numpy(fitted.colours).T[:, :, None]
    return np.asarray(colour.lab_to_bytes(lab).permute(1, 2, 0).contiguous())


def captions(fitted: FittedPalette) -> list[str]:
    """Two lines under each swatch: the colour, in 8 bits or as (a, b), and its share of the pixels."""
    if fitted.space == "rgb":
        names = [" ".join(str(value) for value in band[0]) for band in bands(fitted)]
    else:
        names = [f"a {round(a)}  b {round(b)}" for a, b in fitted.colours.tolist()]  # no "-0"
    return [f"{name}\n{share:.1%}" for name, share in zip(names, fitted.shares, strict=True)]


def title(fitted: FittedPalette) -> str:
    """What the picture shows."""
    what = PaletteName(len(fitted.colours), fitted.space).words
    light = "" if fitted.space == "rgb" else " (at L = 80, 60, 40)"
    return f"{what}{light} of {', '.join(fitted.provenance['categories'])}, with their share of the pixels"


def _classes(categories: Sequence[str]) -> tuple[str, ...]:
    """The categories in the order of the data set, each once, so that the order in which they are named changes nothing."""
    if not categories:
        raise ConfigError("a palette needs at least one category", hint="such as --category horse")
    known = {check_value("category", name) for name in categories}
    return tuple(sorted(known, key=CLASSES.index))
