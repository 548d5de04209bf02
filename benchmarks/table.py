"""The benchmarks by name: each a module with a sentence and `measure()`.

`measure()` answers a JSON-ready mapping. What stands in it under `goals` (`benchmarks.figures.goal`) and `figures`
(`benchmarks.figures.figure`) is shown in docs/performance.md; anything else is kept in the result.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from colournet.errors import UserError, did_you_mean

NAMES = (
    "training_step",
    "gpu_training",
    "study_throughput",
    "time_to_loss",
    "cost_per_trial",
    "fused_trials",
    "search_efficiency",
    "scale",
    "analysis",
    "exports",
)
"""In the order in which they run and are shown."""

_FOLDER = Path(__file__).parent


class UnknownBenchmarkError(UserError):
    """There is no benchmark of a name."""

    exit_code = 2


class NoRoundsError(UserError):
    """A benchmark that is not measured in rounds was to be."""

    exit_code = 2


def available() -> dict[str, str]:
    """The benchmarks that are there, each with its sentence."""
    return {name: _sentence(name) for name in NAMES if _path(name).exists()}


def check(names: list[str]) -> list[str]:
    """The names, or all there are where none is given. Raises `UnknownBenchmarkError` for one that is not there."""
    known = list(available())
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or "python -m benchmarks --list tells which there are"
            raise UnknownBenchmarkError(f"there is no benchmark {name!r}", hint=hint)
    return names or known


def check_rounds(names: list[str]) -> None:
    """Raise `NoRoundsError` if one of them is not measured in rounds."""
    without = [name for name in names if "rounds" not in inspect.signature(_measure_of(name)).parameters]
    if without:
        raise NoRoundsError(f"not measured in rounds: {', '.join(without)}", hint="leave --rounds out, or name others")


def measure(name: str, *, rounds: int | None = None) -> Mapping[str, Any]:
    """Run one, for so many rounds, by default as many as it thinks right."""
    run = _measure_of(name)
    return run() if rounds is None else run(rounds=rounds)


def _measure_of(name: str) -> Callable[..., Mapping[str, Any]]:
    found: Callable[..., Mapping[str, Any]] = importlib.import_module(f"benchmarks.{name}").measure
    return found


def _path(name: str) -> Path:
    return _FOLDER / f"{name}.py"


def _sentence(name: str) -> str:
    """The first line of a module's docstring, without importing what it measures."""
    return (ast.get_docstring(ast.parse(_path(name).read_text(encoding="utf-8"))) or "").partition("\n")[0]
