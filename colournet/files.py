"""Whole files, written whole or not at all: beside their place first, then moved into it. Standard library only."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write a file of UTF-8 text."""
    scratch = path.with_name(path.name + ".part")
    scratch.write_text(text, encoding="utf-8")
    os.replace(scratch, path)


def copy(source: Path, target: Path) -> None:
    """Copy a file's content."""
    scratch = target.with_name(target.name + ".part")
    shutil.copyfile(source, scratch)
    os.replace(scratch, target)
