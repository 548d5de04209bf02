"""Where and with what a study ran. Standard library only; no environment variable is ever recorded."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from study.secrets import redacted_command

SHIPPED = "shipped.json"
"""Name of the file in which a copy of this package, sent to a cluster, holds what it was copied from."""

_OURS = "colournet-study"
_PACKAGES = (_OURS, "torch", "ray", "optuna", "numpy", "scikit-learn")


def collect() -> dict[str, Any]:
    """What may explain that numbers differ: commit, versions, machine, command. JSON-ready."""
    return {
        **_commit(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
        "platform": platform.platform(),
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "host": socket.gethostname(),
        "command": redacted_command([_program(), *sys.argv[1:]]),
    }


def shipped() -> str:
    """What a copy of this package is to hold as `SHIPPED`, which has neither a checkout nor an installation about it."""
    return json.dumps({**_commit(), "version": _version(_OURS)})


def differences(recorded: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """One phrase for everything that may change the bits and is not the same: commit, versions, processor."""
    phrases = [
        f"{name} was {recorded.get(name)}, is {here.get(name)}"
        for name in ("commit", "platform", "cpu")
        if recorded.get(name) != here.get(name)
    ]
    if here.get("dirty") or recorded.get("dirty"):
        phrases.append("a working tree has uncommitted changes")
    versions = here.get("versions", {})
    for name, version in recorded.get("versions", {}).items():
        if version != versions.get(name):
            phrases.append(f"{name} was {version}, is {versions.get(name)}")
    return phrases


def _commit() -> dict[str, Any]:
    """Commit and cleanness of the checkout that this code runs from; None where it is not in one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            answer = subprocess.run(
                ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return answer.stdout.strip()

    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        found = _shipped()
        return {"commit": found.get("commit"), "dirty": found.get("dirty")}
    return {"commit": git("rev-parse", "HEAD"), "dirty": bool(git("status", "--porcelain", "--", "*.py"))}


def _shipped() -> dict[str, Any]:
    """What a copy was copied from; nothing where this is none."""
    try:
        return dict(json.loads(Path(__file__).with_name(SHIPPED).read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}


def _version(package: str) -> str | None:
    if package == _OURS and _shipped():
        return str(_shipped().get("version"))
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _program() -> str:
    """What was called: `study` too where it was `python -m study`."""
    path = Path(sys.argv[0])
    return path.parent.name if path.name == "__main__.py" else path.name


def _cpu() -> str:
    """The processor's model, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
