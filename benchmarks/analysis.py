"""How long `study analyze` takes on a record of 10,000 trials of 30 epochs, figure by figure, and how much memory.

The record is made up. Reading and the whole run in processes of their own, the figures in this one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import steps
from benchmarks.figures import figure
from benchmarks.made_up import make_study
from study.analysis import figures, report, style
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot
from study.space import Space
from study.store import StudyFolder

_SPACE = Path(__file__).parents[1] / "search_spaces" / "full.toml"
_WHOLE = "all of it"


def measure(*, trials: int = 10_000, epochs: int = 30, rounds: int = 3) -> dict[str, Any]:
    """Make a record, and measure reading it, every figure and the whole."""
    with tempfile.TemporaryDirectory() as results:
        folder = make_study(Path(results), Space.load(_SPACE), name="large", trials=trials, epochs=epochs)
        found = steps.measure("analysis", STEPS, folder, rounds=rounds)
        drawn = _draw_all(Loaded.read(folder), rounds)
    return {
        "sizes": {"trials": trials, "epochs": epochs, "rounds": rounds},
        "figures": [
            *steps.figures(found),
            *(figure(f"drawing {name}", seconds, unit="s") for name, seconds in drawn.items()),
        ],
        "steps": found,
    }


def _draw_all(study: Loaded, rounds: int) -> dict[str, list[float]]:
    """The seconds that each figure takes in each round."""
    study.folder.layout.figures.mkdir(exist_ok=True)
    taken: dict[str, list[float]] = {plot.name: [] for plot in figures.ALL if plot.applies(study)}
    for plot in [plot for plot in figures.ALL if plot.name in taken] * rounds:
        began = time.perf_counter()
        _draw(plot, study)
        taken[plot.name].append(time.perf_counter() - began)
    return taken


def _draw(plot: Plot, study: Loaded) -> None:
    with style.styled():
        style.save(plot.draw(study), study.folder.layout.figures / plot.name)
    plot.tell(study)


def _read(folder: StudyFolder) -> Callable[[], object]:
    return lambda: Loaded.read(folder)


def _report(folder: StudyFolder) -> Callable[[], object]:
    return lambda: report.write_report(folder)


STEPS: dict[str, steps.Step] = {"reading": _read, _WHOLE: _report}
