"""Whole files, written whole or not at all: beside their place first, then moved into it. Standard library only."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from colournet.errors import ConfigError


def scratch(path: Path) -> Path:
    """Where a file is written before it takes its place."""
    return path.with_name(path.name + ".part")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Answer the name to write to; when the block ends without an error, what was written takes the place of `path`.

    It is on the disk by then, so that after a power loss `path` is the old file or the new one. After an error `path` is as
    it was and nothing is left beside it.
    """
    part = scratch(path)
    try:
        yield part
        _flush(part)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 text."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def copy(source: Path, target: Path) -> None:
    """Copy a file's content."""
    with replacing(target) as part:
        shutil.copyfile(source, part)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder that a user named by `--out`, and those above it. Raises `ConfigError` if that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be made a folder: {error.strerror}", hint="give another --out") from error
