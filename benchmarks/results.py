"""The results of benchmarks: one JSON file each, with what they were measured on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import table
from colournet import files
from study import provenance

FOLDER = Path(__file__).parent / "results"

_PACKAGES = ("python", "torch", "ray", "optuna", "numpy")


def write(name: str, measured: Mapping[str, Any], began_in: Mapping[str, Any], *, seconds: float | None) -> Path:
    """Write a benchmark's result, whole, in the place of the one before; answer where.

    It `began_in` such surroundings; if the code has changed since, it is dirty. `seconds` are None if it ran in parts.
    """
    now = surroundings()
    FOLDER.mkdir(exist_ok=True)
    told = {
        "name": name,
        "what": table.available()[name],
        "measured_at": f"{datetime.now(UTC):%Y-%m-%d}",
        "took_seconds": None if seconds is None else round(seconds, 1),
        **began_in,
        "dirty": began_in["dirty"] or now["dirty"] or began_in["commit"] != now["commit"],
        "measured": measured,
    }
    path = FOLDER / f"{name}.json"
    files.write_text(path, json.dumps(told, indent=2, allow_nan=False) + "\n")
    return path


def read() -> list[dict[str, Any]]:
    """All results that there are, in the table's order; a benchmark that was never run has none."""
    paths = [FOLDER / f"{name}.json" for name in table.NAMES]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def remarks(name: str) -> str:
    """What a person wrote of a result, in `NAME.md` beside it; nothing where nobody did."""
    path = FOLDER / f"{name}.md"
    return path.read_text(encoding="utf-8").strip() if path.exists() else ""


def surroundings() -> dict[str, Any]:
    """The hardware, the versions and the commit, JSON-ready."""
    found = provenance.collect()
    return {
        "hardware": {
            "cpu": found["cpu"],
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else found["cpus"],
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "gpu": _gpu(),
        },
        "versions": {package: found["versions"][package] for package in _PACKAGES},
        "commit": found["commit"],
        "dirty": found["dirty"],
    }


def _gpu() -> str | None:
    """The GPU's name, None where there is none."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
