"""Writing a figure where the user said."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from colournet import files
from colournet.errors import ConfigError

_DOTS_PER_INCH = 120


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all, its folder made. Raises `ConfigError` where that cannot be."""
    check(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.replacing(path) as part:
            figure.savefig(part, format="png", dpi=_DOTS_PER_INCH)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}", hint="name another file") from error


def check(path: Path) -> None:
    """Raise `ConfigError` unless the name says PNG, which is what is written."""
    if path.suffix.lower() != ".png":
        raise ConfigError(f"{path}: figures are written as PNG", hint=f"name it {path.with_suffix('.png')}")
