"""How long `study analyze` takes on a large record, figure by figure, and how much memory.

    python -m benchmarks.analysis --trials 10000 --epochs 30

makes such a record in a temporary folder, draws its report, and leaves that in the folder `--out` where one is named.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.made_up import make_study
from study.analysis import figures, report, style
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot
from study.space import Space

_SPACE = Path(__file__).parents[1] / "search_spaces" / "full.toml"
_NAME = "large"

T = TypeVar("T")


def main() -> None:
    """Make a record, and print a table of steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", type=Path, help="a new folder for the study with its report")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        space = Space.load(_SPACE)
        folder = make_study(Path(results), space, name=_NAME, trials=options.trials, epochs=options.epochs)
        print("| step | seconds | peak MB |\n|---|---|---|", flush=True)
        study = _timed("reading", lambda: Loaded.read(folder))
        folder.layout.figures.mkdir()
        with style.styled():
            for plot in figures.ALL:
                _timed(plot.name, partial(_draw, plot, study))
        _timed("all of it, once more", lambda: report.write_report(folder))
        if options.out:
            shutil.copytree(folder.layout.root, options.out)


def _draw(plot: Plot, study: Loaded) -> None:
    if plot.applies(study):
        style.save(plot.draw(study), study.folder.layout.figures / plot.name)
        plot.tell(study)


def _timed(step: str, run: Callable[[], T]) -> T:
    began = time.perf_counter()
    answer = run()
    took = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"| {step} | {took:.1f} | {peak:.0f} |", flush=True)
    return answer


if __name__ == "__main__":
    main()
