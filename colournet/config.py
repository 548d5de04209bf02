"""`TrainConfig`: everything that decides one training run, checked when it is made.

Standard library only, so that search spaces can be checked without loading torch. The fields are flat and their names
are the only vocabulary: the same word stands in `config.toml`, under `[fixed]` and `[search]` of a search space, and as
an option of `colournet train`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet.errors import ConfigError, did_you_mean

MODELS = ("regression_cnn", "cnn", "unet", "dilated_unet")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
DATASETS = ("cifar10", "scenes")
PROTOCOLS = ("split", "handout")

_CHOICES: dict[str, tuple[str, ...]] = {
    "model": MODELS,
    "category": CLASSES,
    "dataset": DATASETS,
    "protocol": PROTOCOLS,
}
_WHOLE_NUMBERS: dict[str, tuple[int, int]] = {
    "kernel_size": (1, 15),
    "num_filters": (1, 1024),
    "dilation": (1, 16),
    "num_colours": (2, 256),
    "epochs": (1, 100_000),
    "batch_size": (1, 100_000),
    "shift_horizontal_pixels": (0, 16),
    "shift_vertical_pixels": (0, 16),
    "train_images": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
    "data_seed": (0, 2**32 - 1),
    "num_threads": (1, 1024),
}
_FLAGS = ("flip_horizontal", "flip_vertical")
_ASSIGNMENT_DILATION = 2  # the assignment's "dilation=1" means one gap between taps


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run. Raises `ConfigError` for a value out of range or a combination that means nothing."""

    model: str = "unet"
    """Network: `regression_cnn` (RGB by squared error), `cnn`, `unet`, `dilated_unet` (colours by cross-entropy)."""

    kernel_size: int = 3
    """Side of every convolution's filter in pixels, odd, 1 to 15."""

    num_filters: int = 32
    """Filters of the first block; the inner blocks have twice as many."""

    dilation: int = 1
    """Dilation of the middle convolution of `dilated_unet`, 2 to 16: 2 leaves one gap between taps; 1, none, for all others."""

    num_colours: int = 24
    """Colours of the palette, 2 to 256, fitted by k-means to the training pixels of the category."""

    epochs: int = 25
    """Passes over the training images."""

    learning_rate: float = 1e-3
    """Step size of Adam, above 0."""

    batch_size: int = 100
    """Images of one optimizer step."""

    category: str = "horse"
    """Class of the images that are learned, validated and tested."""

    flip_horizontal: bool = False
    """Mirror each training image left to right with probability one half."""

    flip_vertical: bool = False
    """Turn each training image upside down with probability one half."""

    shift_horizontal_pixels: int = 0
    """Largest shift of a training image left or right in pixels, uniform; the border repeats its last pixel."""

    shift_vertical_pixels: int = 0
    """Largest shift of a training image up or down in pixels, uniform; the border repeats its last pixel."""

    extra_classes: tuple[str, ...] = ()
    """Further classes whose images are added to training, never to validation or test."""

    dataset: str = "cifar10"
    """Where images come from: `cifar10` (photographs) or `scenes` (drawn in memory from a seed, no download)."""

    protocol: str = "split"
    """`split`: a seeded fifth of the training images validates. `handout`: train on all, validate on the test images, as
    the assignment does; only to compare with its published figures."""

    train_images: int | None = None
    """Train on the first so many of the category's shuffled training images; by default on all."""

    seed: int = 0
    """Seed of the initial weights, the shuffling and the augmentation."""

    data_seed: int = 0
    """Seed of what all runs to be compared must share: the split, the palette and the drawn scenes."""

    device: str = "auto"
    """`cpu`, `cuda`, `cuda:N`, or `auto`: a GPU where there is one."""

    num_threads: int = 1
    """CPU threads of the training step; the same count gives the same bits."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = check_value(field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        self._check_combinations()

    def _check_combinations(self) -> None:
        if self.category in self.extra_classes:
            raise ConfigError(
                f"extra_classes names {self.category!r}, which is the category itself",
                hint="name other classes, or leave extra_classes empty",
            )
        if self.model == "dilated_unet" and self.dilation == 1:
            raise ConfigError(
                "model 'dilated_unet' needs a dilation of 2 or more, got 1",
                hint=f"the assignment's is dilation = {_ASSIGNMENT_DILATION}; without dilation use model = 'unet'",
            )
        if self.model != "dilated_unet" and self.dilation != 1:
            raise ConfigError(
                f"dilation = {self.dilation} means nothing to model {self.model!r}",
                hint="only 'dilated_unet' is dilated; in a search space add when = { model = [\"dilated_unet\"] }",
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Make a config from names and values, as read from TOML or JSON.

        Where `dilated_unet` comes without a dilation it gets the assignment's, 2. Raises `ConfigError` for an unknown
        name, with the nearest known one, or for a wrong value.
        """
        for name in values:
            check_name(name)
        values = dict(values)
        if values.get("model") == "dilated_unet":
            values.setdefault("dilation", _ASSIGNMENT_DILATION)
        return cls(**values)

    @classmethod
    def from_toml(cls, path: Path) -> TrainConfig:
        """Read a `config.toml`. Raises `ConfigError` if it is missing, not TOML, or not a valid config."""
        try:
            return cls.from_mapping(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            hint = "name a config.toml, such as every run folder holds"
            raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint=hint) from error
        except (ValueError, RecursionError) as error:  # not TOML, not UTF-8, a number too long, nested too deep
            raise ConfigError(f"{path}: not valid TOML: {error}") from error
        except ConfigError as error:
            raise ConfigError(f"{path}: {error.message}", hint=error.hint) from error

    def to_mapping(self) -> dict[str, Any]:
        """The set fields as JSON- and TOML-ready values (lists for tuples, None left out)."""
        values = {name: _plain(value) for name, value in dataclasses.asdict(self).items()}
        return {name: value for name, value in values.items() if value is not None}

    def to_toml(self) -> str:
        """The text of a `config.toml` from which `from_toml` makes an equal config."""
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in self.to_mapping().items())

    def replace(self, **changes: Any) -> TrainConfig:
        """A copy with some fields changed, checked anew."""
        return dataclasses.replace(self, **changes)

    @property
    def is_regression(self) -> bool:
        """Whether the network answers RGB, trained by squared error, rather than palette colours by cross-entropy."""
        return self.model == "regression_cnn"


def check_name(name: str) -> None:
    """Raise `ConfigError`, with the nearest known name as hint, if no field is called `name`."""
    known = [field.name for field in dataclasses.fields(TrainConfig)]
    if name not in known:
        raise ConfigError(f"unknown setting {name!r}", hint=did_you_mean(name, known))


def check_value(name: str, value: Any) -> Any:
    """Return `value` in the type of field `name`; raise `ConfigError` if it is of another type or out of range."""
    if name in _CHOICES:
        return _check_choice(name, value, _CHOICES[name])
    if name in _WHOLE_NUMBERS:
        return _check_whole_number(name, value)
    if name in _FLAGS:
        if not isinstance(value, bool):
            raise ConfigError(f"{name} must be true or false, got {value!r}")
        return value
    if name == "learning_rate":
        return _check_learning_rate(value)
    if name == "extra_classes":
        return _check_classes(name, value)
    return _check_device(value)


def _check_choice(name: str, value: Any, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ConfigError(f"{name}: there is no {value!r}", hint=did_you_mean(str(value), choices))
    return value


def _check_whole_number(name: str, value: Any) -> int | None:
    if value is None and name == "train_images":
        return None
    low, high = _WHOLE_NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ConfigError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
    if name == "kernel_size" and value % 2 == 0:
        raise ConfigError(
            f"kernel_size must be odd, got {value}",
            hint="an odd filter keeps the image size; in a search space use choices, or step = 2 from an odd low",
        )
    return value


def _check_learning_rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
        raise ConfigError(f"learning_rate must be a number above 0, got {value!r}")
    return float(value)


def _check_classes(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{name} must be a list of classes, got {value!r}", hint=f'for one class write ["{value}"]')
    for item in value:
        _check_choice(name, item, CLASSES)
    if len(set(value)) != len(value):
        raise ConfigError(f"{name} names a class twice: {', '.join(value)}")
    return tuple(sorted(value, key=CLASSES.index))


def _check_device(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|cuda(:(0|[1-9][0-9]?))?", value):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:N, got {value!r}")
    return value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@functools.cache
def field_docs() -> dict[str, str]:
    """The documentation of every field, by name: the string that stands under it in this file."""
    body = ast.parse(inspect.getsource(TrainConfig)).body[0]
    assert isinstance(body, ast.ClassDef)
    docs: dict[str, str] = {}
    for field, text in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            docs[ast.unparse(field.target)] = " ".join(str(text.value.value).split())
    return docs
