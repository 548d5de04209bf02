"""What travels with a job: our two packages and what the job is given to read. Nothing else does. Standard library only."""

from __future__ import annotations

import importlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from study import provenance

PACKAGES = ("study", "colournet")

_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".*")


@contextmanager
def runtime_env(given: Mapping[str, str], *, stop_seconds: float) -> Iterator[dict[str, Any]]:
    """Ray's runtime environment of a job that has our packages, and the texts of `given` as files in its folder.

    The packages are copied without what lies about them, so the same code is the same upload, which the cluster keeps. The
    one variable that is set tells the cluster how long the job may take to end once it is asked to.
    """
    with tempfile.TemporaryDirectory(prefix="study-job-") as scratch:
        modules = [_copy(name, Path(scratch) / "modules") for name in PACKAGES]
        folder = Path(scratch) / "given"
        folder.mkdir()
        for name, text in given.items():
            (folder / name).write_text(text, encoding="utf-8")
        yield {
            "working_dir": str(folder),
            "py_modules": [str(path) for path in modules],
            "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": f"{stop_seconds:.0f}"},
        }


def _copy(package: str, target: Path) -> Path:
    folder = Path(str(importlib.import_module(package).__file__)).parent
    copy = Path(shutil.copytree(folder, target / package, ignore=_LEFT_OUT))
    if package == __name__.partition(".")[0]:
        (copy / provenance.SHIPPED).write_text(provenance.shipped(), encoding="utf-8")
    return copy
