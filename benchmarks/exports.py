"""How long the tables, the exports and the dashboard take on a large record, and how much memory.

    python -m benchmarks.exports --trials 10000 --epochs 30

makes such a record in a temporary folder and measures each step in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.made_up import make_study
from study.space import Space
from study.store import StudyFolder

_SPACE = Path(__file__).parents[1] / "search_spaces" / "full.toml"
_NAME = "large"


def main() -> None:
    """Make a record and print a table of steps, or measure one step of a record that is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--step", choices=_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--results", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        _measure(options.step, StudyFolder.open(options.results, _NAME))
        return
    print("| step | CPU seconds | seconds | peak MB |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as results:
        space = Space.load(_SPACE)
        make_study(Path(results), space, name=_NAME, trials=options.trials, epochs=options.epochs, pruned=0.0)
        for step in _STEPS:
            command = [sys.executable, "-m", "benchmarks.exports", "--step", step, "--results", results]
            subprocess.run(command, check=True)


def _measure(step: str, folder: StudyFolder) -> None:
    run = _STEPS[step](folder)
    used, began = time.process_time(), time.perf_counter()
    run()
    used, took = time.process_time() - used, time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"| {step} | {used:.1f} | {took:.1f} | {peak:.0f} |", flush=True)


def _tables(folder: StudyFolder) -> Callable[[], object]:
    from study.analysis.frames import Tables

    return lambda: Tables.read([folder])


def _export(kind: str) -> Callable[[StudyFolder], Callable[[], object]]:
    def prepared(folder: StudyFolder) -> Callable[[], object]:
        from study.analysis.export import export

        return lambda: export(folder, kind)

    return prepared


def _optuna(file: str) -> Callable[[StudyFolder], Callable[[], object]]:
    def prepared(folder: StudyFolder) -> Callable[[], object]:
        from study.launch.optuna_export import export

        return lambda: export(folder, folder.layout.export / file)

    return prepared


def _first_look(folder: StudyFolder) -> Callable[[], object]:
    from study.launch.record_storage import RecordStorage

    return lambda: RecordStorage(folder).refresh()


def _next_look(folder: StudyFolder) -> Callable[[], object]:
    from study.launch.record_storage import RecordStorage

    storage = RecordStorage(folder)
    storage.refresh()
    with folder.write() as writer:
        writer.append("note", text="one more line")
    return storage.refresh


_STEPS: dict[str, Callable[[StudyFolder], Callable[[], object]]] = {
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

if __name__ == "__main__":
    main()
