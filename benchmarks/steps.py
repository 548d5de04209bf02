"""Steps that are measured one by one, each in a process of its own, round by round."""

from __future__ import annotations

import importlib
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.figures import figure
from study.store import StudyFolder

T = TypeVar("T")

_ROOT = Path(__file__).parents[1]

Step = Callable[[StudyFolder], Callable[[], object]]
"""Prepares what is not to be measured, and answers what is."""


def measure(
    module: str, steps: Iterable[str], folder: StudyFolder, *, rounds: int
) -> dict[str, list[dict[str, float]]]:
    """Measure steps of `benchmarks.MODULE.STEPS` on a study: by step what each round took."""
    found: dict[str, list[dict[str, float]]] = {step: [] for step in steps}
    for _ in range(rounds):
        for step, rows in found.items():
            command = [sys.executable, "-m", "benchmarks.steps", module, step, str(folder.layout.root)]
            done = subprocess.run(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    return found


def figures(found: dict[str, list[dict[str, float]]]) -> list[dict[str, Any]]:
    """The seconds of every step, and the peaks of memory."""
    return [
        figure(f"{step}, {words}", [row[name] for row in rows], unit=unit)
        for step, rows in found.items()
        for name, words, unit in (("seconds", "time", "s"), ("peak_mb", "peak of memory", "MB"))
    ]


def metered(run: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """Run something; what it answered, what it took, and the peak of this process's memory."""
    used, began = time.process_time(), time.perf_counter()
    answer = run()
    used, took = time.process_time() - used, time.perf_counter() - began
    return answer, {"cpu_seconds": used, "seconds": took, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    """The most memory that this process has had. On Linux `getrusage` would tell that of its parent, if it has had more."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="ascii")) if status.exists() else None
    if found is not None:
        return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def main(module: str, step: str, folder: str) -> None:
    """Measure one step here, and print what it took as JSON."""
    prepare: Step = importlib.import_module(f"benchmarks.{module}").STEPS[step]
    print(json.dumps(metered(prepare(StudyFolder(Path(folder))))[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
