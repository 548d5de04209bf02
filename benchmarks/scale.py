"""What the service costs a trial with 1,000 workers and 10,000 trials, and how long as long a record takes to be read."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.curves import SPACE
from benchmarks.figures import goal
from benchmarks.made_up import make_study
from benchmarks.recorded_table import Table
from benchmarks.search_contenders import Service
from benchmarks.simulation import Work, simulate
from benchmarks.steps import metered
from study.space import Space
from study.store import StudyFolder

_TRIALS = 10_000
_WORKERS = 1_000
_EPOCHS = 30
_NAME = "large"
_FULL = Path(__file__).parents[1] / "search_spaces" / "full.toml"
_COMMAND = "from study.cli import main; main()"

T = TypeVar("T")


def measure(*, trials: int = _TRIALS, workers: int = _WORKERS) -> dict[str, Any]:
    """Each step in a process of its own; JSON-ready, seconds of wall-clock time unless a name says otherwise."""
    with tempfile.TemporaryDirectory() as scratch:
        results = Path(scratch)
        make_study(results, Space.load(_FULL), name=_NAME, trials=trials, epochs=_EPOCHS)
        with StudyFolder.open(results, _NAME).write():  # as its driver left it
            pass
        found = {step: _in_process(step, results, trials, workers) for step in _STEPS}
        found |= {" ".join(words): _command(words, results) for words in (["list"], ["show", _NAME])}
    sizes = {"trials": trials, "workers": workers, "epochs": _EPOCHS}
    return {"sizes": sizes, "goals": _goals(found, f"{trials:,} trials"), "steps": found}


def _goals(found: Mapping[str, Mapping[str, Any]], size: str) -> list[dict[str, Any]]:
    drive, last = found["drive"], found["drive"]["trial_ms"][-1]["wall"]
    record = f"{size} of {_EPOCHS} epochs"
    return [
        goal(f"asking, telling and recording a trial, the last tenth of {size}", [last], unit="ms", at_most=50),
        goal(f"memory of the driver, {size}", [drive["peak_mb"]], unit="MB", at_most=1500),
        goal(f"resuming a study of {record}", [found["resume"]["seconds"]], unit="s", at_most=20),
        goal("`study list` of two such studies", found["list"]["seconds"], unit="s", at_most=0.5),
        goal("`study show` of one", found[f"show {_NAME}"]["seconds"], unit="s", at_most=0.5),
        goal("`study analyze` of one, but for Python's start", [found["analyze"]["seconds"]], unit="s", at_most=60),
    ]


class Metered:
    """A search, with the time that each trial took of it, from being asked to its end."""

    def __init__(self, search: Service) -> None:
        self._search = search
        self.asked: dict[int, tuple[float, float]] = {}
        """Wall-clock and CPU seconds of asking for each trial and recording it."""
        self.all: dict[int, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        """Those of all that was done for each trial."""

    def begin(self) -> Work | None:
        work, took = _timed(self._search.begin)
        if work is not None:
            self.asked[work.number] = took
            self._add(work, took)
        return work

    def report(self, work: Work, epoch: int, loss: float, seconds: float) -> bool:
        goes_on, took = _timed(lambda: self._search.report(work, epoch, loss, seconds))
        self._add(work, took)
        return goes_on

    def finish(self, work: Work) -> None:
        self._add(work, _timed(lambda: self._search.finish(work))[1])

    def _add(self, work: Work, took: tuple[float, float]) -> None:
        wall, cpu = self.all[work.number]
        self.all[work.number] = wall + took[0], cpu + took[1]


def _timed(run: Callable[[], T]) -> tuple[T, tuple[float, float]]:
    wall, cpu = time.perf_counter(), time.thread_time()
    answer = run()
    return answer, (time.perf_counter() - wall, time.thread_time() - cpu)


def _drive(results: Path, trials: int, workers: int) -> dict[str, Any]:
    """Run a whole study in virtual time, and tell what its trials cost, tenth by tenth."""
    table, space = Table.read(), Space.load(SPACE)
    with Service.launched(results, space, trials=trials, workers=workers) as search:
        metered = Metered(search)
        outcome = simulate(metered, table.curve, workers=workers)
    tenths = [range(trials * tenth // 10, trials * (tenth + 1) // 10) for tenth in range(10)]
    return {
        "epochs": outcome.epochs,
        "ask_ms": [_median_ms(metered.asked, tenth) for tenth in tenths],
        "trial_ms": [_median_ms(metered.all, tenth) for tenth in tenths],
    }


def _median_ms(took: Mapping[int, tuple[float, float]], trials: range) -> dict[str, float]:
    """The medians over some trials, by wall clock and of CPU."""
    wall, cpu = zip(*(took[number] for number in trials), strict=True)
    return {"wall": 1000 * statistics.median(wall), "cpu": 1000 * statistics.median(cpu)}


def _resume(results: Path, trials: int, workers: int) -> dict[str, Any]:  # noqa: ARG001 (each step is given all)
    """Read the record, and rebuild what the sampler and the pruner know: what a resumed study does before its first trial."""
    from study.launch.optimizer import Optimizer
    from study.records import parse

    folder = StudyFolder.open(results, _NAME)
    with folder.write() as writer, folder.layout.events.open("rb") as lines:
        Optimizer.rebuild(folder.space, writer.record, events=map(parse, lines))
    return {}


def _analyze(results: Path, trials: int, workers: int) -> dict[str, Any]:  # noqa: ARG001 (each step is given all)
    """Draw all figures and write the report."""
    from study.analysis.report import write_report

    write_report(StudyFolder.open(results, _NAME))
    return {}


_STEPS: Mapping[str, Callable[[Path, int, int], dict[str, Any]]] = {
    "drive": _drive,
    "resume": _resume,
    "analyze": _analyze,
}


def _in_process(step: str, results: Path, trials: int, workers: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.scale", step, str(results), str(trials), str(workers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def _command(words: list[str], results: Path, *, repeats: int = 5) -> dict[str, Any]:
    """How long a command takes, the start of Python and all, each time that it runs."""
    wall, cpu = [], []
    for _ in range(repeats):
        began, used = time.perf_counter(), _children_seconds()
        line = [sys.executable, "-c", _COMMAND, *words, "--results", str(results)]
        subprocess.run(line, check=True, capture_output=True)
        wall.append(time.perf_counter() - began)
        cpu.append(_children_seconds() - used)
    return {"seconds": wall, "cpu_seconds": cpu}


def _children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(step: str, results: str, trials: str, workers: str) -> None:
    """Take one step here, and print what came of it and what it took as JSON."""
    told, took = metered(lambda: _STEPS[step](Path(results), int(trials), int(workers)))
    print(json.dumps({**told, **took}))


if __name__ == "__main__":
    main(*sys.argv[1:])
