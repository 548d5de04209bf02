"""Which values each field of `TrainConfig` may take, checked one by one. Standard library only."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

from colournet.errors import ConfigError, did_you_mean

MODELS = ("regression_cnn", "cnn", "unet", "dilated_unet")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COLOUR_SPACES = ("rgb", "lab")
DATASETS = ("cifar10", "scenes")
PROTOCOLS = ("split", "handout")
DOWN_SAMPLINGS = ("pool", "stride")
OPTIMIZERS = ("adam", "adamw")
SCHEDULES = ("constant", "cosine", "one_cycle")
FORMS = ("fast", "reference")
PRECISIONS = ("float32", "bf16")

_CHOICES: dict[str, tuple[str, ...]] = {
    "model": MODELS,
    "colour_space": COLOUR_SPACES,
    "category": CLASSES,
    "dataset": DATASETS,
    "protocol": PROTOCOLS,
    "down_sampling": DOWN_SAMPLINGS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "form": FORMS,
    "precision": PRECISIONS,
}
_WHOLE_NUMBERS: dict[str, tuple[int, int]] = {
    "kernel_size": (1, 15),
    "num_filters": (1, 1024),
    "dilation": (1, 16),
    "depth": (2, 4),
    "residual_blocks": (0, 8),
    "num_colours": (2, 65_536),
    "epochs": (1, 100_000),
    "batch_size": (1, 100_000),
    "shift_horizontal_pixels": (0, 16),
    "shift_vertical_pixels": (0, 16),
    "train_images": (1, 1_000_000),
    "seed": (0, 2**32 - 1),
    "data_seed": (0, 2**32 - 1),
    "num_threads": (1, 1024),
}
_REALS: dict[str, tuple[Callable[[float], bool], str]] = {
    "learning_rate": (lambda value: 0 < value <= sys.float_info.max, "above 0"),
    "weight_decay": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "label_smoothing": (lambda value: 0 <= value < 1, "from 0 up to, not including, 1"),
}
_FLAGS = ("flip_horizontal", "flip_vertical", "full_resolution_skip", "grey_table")


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
    if name in _REALS:
        return _check_real(name, value)
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


def _check_real(name: str, value: Any) -> float:
    is_in_range, words = _REALS[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not is_in_range(value):
        raise ConfigError(f"{name} must be a number {words}, got {value!r}")
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
