"""The manifest of a study, `study.json`: read, and checked as far as any command relies on it. Standard library only."""

from __future__ import annotations

import json
import reprlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colournet.errors import ConfigError, UserError
from colournet.objective import Objective
from colournet.palette_name import SQUARED_ERRORS, PaletteName
from study.errors import FormatError, RecordError

FORMAT = 1

_NAMES: Mapping[type, str] = {str: "text", int: "a whole number", dict: "a table", list: "a list"}

_REQUIRED: Mapping[str, type] = {
    "name": str,
    "created": str,
    "trials": int,
    "seed": int,
    "objective": dict,
    "objective.metric": str,
    "objective.goal": str,
    "data": dict,
    "data.fingerprint": str,
    "palettes": dict,
    "provenance": dict,
}
_CHECKED_IF_THERE: Mapping[str, type] = {
    "floors": dict,
    "test_floors": dict,
    "sampler": dict,
    "pruner": dict,
    "provenance.versions": dict,
    "storage": str,
}
_OF_A_CONFIRMATION: Mapping[str, type] = {
    "confirms": dict,
    "confirms.study": str,
    "confirms.top": int,
    "confirms.candidates": list,
    "confirms.seeds": list,
}
"""What is required where there is `confirms`: see `study.candidates`."""
_FLOORS = ("floors", "test_floors")
_GREY_TABLE = ("cross_entropy", "accuracy", "mse")


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a `study.json`. Raises `RecordError` if it is missing or damaged, `FormatError` if it is of another format."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecordError(f"{path.parent}: not a study, it has no {path.name}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise RecordError(f"{path}: cannot be read: {error}", hint="restore it from a copy") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise FormatError(
            f"{path}: has format {reprlib.repr(found)}, this program reads format {FORMAT}",
            hint="install the version that wrote it",
        )
    try:
        _check(manifest)
    except UserError as error:
        raise RecordError(f"{path}: {error.message}", hint="restore it from a copy") from error
    return dict(manifest)


def _check(manifest: Mapping[str, Any]) -> None:
    required = {**_REQUIRED, **(_OF_A_CONFIRMATION if "confirms" in manifest else {})}
    missing = [name for name in required if not _has(manifest, name)]
    if missing:
        raise RecordError(f"lacks {', '.join(missing)}")
    for name, kind in {**required, **_CHECKED_IF_THERE}.items():
        if _has(manifest, name) and type(_look_up(manifest, name)) is not kind:
            raise RecordError(f"{name} must be {_NAMES[kind]}, got {reprlib.repr(_look_up(manifest, name))}")
    Objective(manifest["objective"]["metric"], manifest["objective"]["goal"])
    for name in ("palettes", *_FLOORS):
        for key, value in manifest.get(name, {}).items():
            try:
                palette = PaletteName.parse(key)
            except ConfigError as error:
                raise RecordError(f"{name} are by number of colours, got {reprlib.repr(key)}") from error
            if name in _FLOORS and not _are_scores(value, palette):
                raise RecordError(f"{name}.{key} has no scores of the grey table")


def _are_scores(scores: Any, palette: PaletteName) -> bool:
    """Whether these are tables of numbers, the grey table's whole among them."""
    wanted = (*_GREY_TABLE, SQUARED_ERRORS[palette.colour_space])
    return (
        type(scores) is dict
        and all(type(table) is dict and all(map(_is_number, table.values())) for table in scores.values())
        and all(name in scores.get("grey_table", {}) for name in wanted)
    )


def _is_number(value: Any) -> bool:
    return type(value) in (float, int) and abs(value) <= sys.float_info.max


def _has(manifest: Mapping[str, Any], name: str) -> bool:
    """Whether `objective.metric` is there; where `objective` is no table, its own type is what is wrong."""
    table, _, key = name.rpartition(".")
    inside = _look_up(manifest, table) if table else manifest
    return not isinstance(inside, dict) or key in inside


def _look_up(manifest: Mapping[str, Any], name: str) -> Any:
    value: Any = manifest
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
