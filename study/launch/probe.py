"""What a node of a cluster tells of itself. Standard library only, and sent by value: a node need not have our packages."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import platform
import shutil
import socket
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("ray", "torch", "optuna", "numpy")
"""Beside Python and our own, those that decide whether a trial means the same everywhere."""
OWN = ("colournet", "study")

_SAME_RELEASE = ("torch",)  # one for GPUs and one for CPUs differ behind the plus
_SAME_SERIES = ("python",)
_SECONDS = 10.0


def look(_: int = 0) -> dict[str, Any]:
    """Versions, the content of our own packages, processors and GPUs of the machine that this runs on. JSON-ready."""
    return {"host": socket.gethostname(), "versions": versions(), "gpus": gpus()}


def versions() -> dict[str, str | None]:
    """By name, None for what is not installed; of our own packages the first digits of their content's SHA-256."""
    installed = {name: _version(name) for name in PACKAGES}
    own = {f"{name} (content)": content(name) for name in OWN}
    return {"python": platform.python_version(), **installed, **own}


def differences(there: Mapping[str, str | None], here: Mapping[str, str | None]) -> list[str]:
    """What of the software there is not the driver's, a phrase each."""
    return [
        f"{name} is {there.get(name) or 'missing'}, the driver's {here[name] or 'missing'}"
        for name in here
        if _comparable(name, there.get(name)) != _comparable(name, here[name])
    ]


def content(package: str) -> str | None:
    """A fingerprint of a package's Python files, None if it is not there."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        return None
    root = Path(next(iter(found.submodule_search_locations)))
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def gpus() -> list[dict[str, Any]]:
    """The NVIDIA GPUs of this machine, as their driver tells; none where it has none to ask."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    wanted = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        told = subprocess.run(wanted, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout
        rows = [line.rpartition(",") for line in told.splitlines() if line.strip()]
        return [{"name": name.strip(), "memory_bytes": int(mebibytes) * 2**20} for name, _, mebibytes in rows]
    return []


def _comparable(name: str, version: str | None) -> str | None:
    if version is None:
        return None
    if name in _SAME_RELEASE:
        return version.partition("+")[0]
    return version.rpartition(".")[0] if name in _SAME_SERIES else version


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
