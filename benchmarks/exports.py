"""How long the tables, the exports and the dashboard take on a record of 10,000 trials of 30 epochs, and how much memory.

The record is made up. Each step runs in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import steps
from benchmarks.made_up import make_study
from study.space import Space
from study.store import StudyFolder

_ONE_MORE = """
import sys
from pathlib import Path
from study.store import StudyFolder

with StudyFolder(Path(sys.argv[1])).write() as writer:
    writer.append("note", text="one more line")
"""
_SPACE = Path(__file__).parents[1] / "search_spaces" / "full.toml"


def measure(*, trials: int = 10_000, epochs: int = 30, rounds: int = 3) -> dict[str, Any]:
    """Make a record in which no trial was pruned, and measure every step."""
    with tempfile.TemporaryDirectory() as results:
        folder = make_study(Path(results), Space.load(_SPACE), name="large", trials=trials, epochs=epochs, pruned=0.0)
        found = steps.measure("exports", STEPS, folder, rounds=rounds)
    return {
        "sizes": {"trials": trials, "epochs": epochs, "rounds": rounds},
        "figures": steps.figures(found),
        "steps": found,
    }


def _tables(folder: StudyFolder) -> Callable[[], object]:
    from study.analysis.frames import Tables

    return lambda: Tables.read([folder])


def _export(kind: str) -> steps.Step:
    def prepared(folder: StudyFolder) -> Callable[[], object]:
        from study.analysis.export import export

        return lambda: export(folder, kind)

    return prepared


def _optuna(file: str) -> steps.Step:
    def prepared(folder: StudyFolder) -> Callable[[], object]:
        from study.launch.optuna_export import export

        path = folder.layout.export / file
        path.unlink(missing_ok=True)
        return lambda: export(folder, path)

    return prepared


def _first_look(folder: StudyFolder) -> Callable[[], object]:
    from study.launch.record_storage import RecordStorage

    return lambda: RecordStorage(folder).refresh()


def _next_look(folder: StudyFolder) -> Callable[[], object]:
    from study.launch.record_storage import RecordStorage

    storage = RecordStorage(folder)
    storage.refresh()
    subprocess.run([sys.executable, "-c", _ONE_MORE, str(folder.layout.root)], check=True)
    return storage.refresh


STEPS: dict[str, steps.Step] = {
    "the record alone": lambda folder: folder.read,
    "the four tables": _tables,
    "export as csv": _export("csv"),
    "export as jsonl": _export("jsonl"),
    "export as parquet": _export("parquet"),
    "export for optuna, SQLite": _optuna("of-the-benchmark.db"),
    "export for optuna, journal": _optuna("of-the-benchmark.log"),
    "the dashboard's first look": _first_look,
    "its next look": _next_look,
}
