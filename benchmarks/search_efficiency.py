"""How many epochs a search trains until it is within 1 % of the best recorded loss, by sampler, pruner and their settings."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contenders import RayTune, Service
from benchmarks.curves import SPACE
from benchmarks.simulation import Outcome, simulate
from benchmarks.table import Table
from benchmarks.variations import Varied
from study.launch.optimizer import Optimizer
from study.space import Space

_SEEDS = 50
_WORKERS = 8
_WITHIN = 1.01
_MOST_EPOCHS = 12_000
"""A search that has not arrived by then counts as one that never does."""

_HALVING = {"kind": "successive_halving", "min_epochs": 1, "reduction_factor": 3}
_TPE = {"kind": "tpe", "startup_trials": 10}
_NONE = {"kind": "none"}


@dataclass(frozen=True)
class Contender:
    """A search by the service, as a space asks for it, or a little otherwise."""

    sampler: Mapping[str, Any] = field(default_factory=lambda: _TPE)
    pruner: Mapping[str, Any] = field(default_factory=lambda: _HALVING)
    make: Callable[[Space], Optimizer] = Optimizer


CONTENDERS: Mapping[str, Contender | None] = {
    "random search": Contender({"kind": "random"}, _NONE),
    "TPE without pruning": Contender(_TPE, _NONE),
    "Hyperband": Contender({"kind": "random"}, {**_HALVING, "kind": "hyperband"}),
    "Ray Tune: OptunaSearch and ASHA": None,
    "ours": Contender(),
}
"""What is compared; None is Ray's. All but Ray's are driven through the service, which adds nothing to the first three."""

CHOICES: Mapping[str, Contender] = {
    "TPE and Hyperband": Contender(pruner={**_HALVING, "kind": "hyperband"}),
    "random and halving": Contender({"kind": "random"}),
    "TPE and median": Contender(pruner={"kind": "median", "startup_trials": 5, "warmup_epochs": 1}),
    "pruned trials told as completed": Contender(make=partial(Varied, completes_pruned=True)),
    "the pruner sees the best so far": Contender(make=partial(Varied, judges_best=True)),
    "reduction factor 2": Contender(pruner={**_HALVING, "reduction_factor": 2}),
    "reduction factor 4": Contender(pruner={**_HALVING, "reduction_factor": 4}),
    "grace of 2 epochs": Contender(pruner={**_HALVING, "min_epochs": 2}),
    "grace of 3 epochs": Contender(pruner={**_HALVING, "min_epochs": 3}),
    "5 start-up trials": Contender({**_TPE, "startup_trials": 5}),
    "20 start-up trials": Contender({**_TPE, "startup_trials": 20}),
    "40 start-up trials": Contender({**_TPE, "startup_trials": 40}),
    "no constant liar": Contender(make=partial(Varied, sampler={"multivariate": True, "constant_liar": False})),
    "parameters one by one": Contender(make=partial(Varied, sampler={"multivariate": False, "constant_liar": True})),
    "group": Contender(make=partial(Varied, sampler={"multivariate": True, "constant_liar": True, "group": True})),
}
"""Ours, with one thing changed."""


def measure(*, names: Iterable[str] | None = None, seeds: int = _SEEDS, workers: int = _WORKERS) -> dict[str, Any]:
    """Simulate every contender with every seed; JSON-ready."""
    from study.launch.cluster import keep_quiet

    keep_quiet()
    table, all_of = Table.read(), {**CONTENDERS, **CHOICES}
    found = {name: _measure(table, all_of[name], seeds, workers) for name in names or all_of}
    return {
        "recorded": {"configurations": len(table.curves), "best": table.best, "within": _near(table)},
        "workers": workers,
        "seeds": seeds,
        "most_epochs": _MOST_EPOCHS,
        "contenders": found,
        "ratios": _ratios(found),
    }


def _measure(table: Table, contender: Contender | None, seeds: int, workers: int) -> dict[str, Any]:
    outcomes = [_search(table, contender, seed, workers) for seed in range(seeds)]
    epochs = [outcome.epochs if _has_arrived(outcome, table) else None for outcome in outcomes]
    return {
        "epochs": epochs,
        "quartiles": _quartiles(epochs),
        "arrived": sum(each is not None for each in epochs),
        "trials": statistics.median(outcome.trials for outcome in outcomes),
    }


def _search(table: Table, contender: Contender | None, seed: int, workers: int) -> Outcome:
    def is_enough(outcome: Outcome) -> bool:
        return _has_arrived(outcome, table) or outcome.epochs >= _MOST_EPOCHS

    space = Space.load(SPACE)
    run = partial(simulate, curve_of=table.curve, workers=workers, is_enough=is_enough)
    if contender is None:
        return run(RayTune(space, epochs=space.fixed["epochs"], seed=seed))
    space = Space.parse(
        f"seed = {seed}\nsampler = {_toml(contender.sampler)}\npruner = {_toml(contender.pruner)}\n{space.text}"
    )
    with (
        tempfile.TemporaryDirectory(dir=_memory()) as results,
        Service.launched(Path(results), space, trials=None, workers=workers, make=contender.make) as search,
    ):
        return run(search)


def _has_arrived(outcome: Outcome, table: Table) -> bool:
    return outcome.best <= _WITHIN * table.best


def _quartiles(epochs: Sequence[int | None]) -> list[float | None]:
    """Lower quartile, median, upper quartile; None for one that more than so many searches never reach."""
    far = sorted(float("inf") if each is None else float(each) for each in epochs)
    cuts = statistics.quantiles([min(each, 1e12) for each in far], n=4, method="inclusive")
    return [None if cut > _MOST_EPOCHS * 2 else cut for cut in cuts]


def _near(table: Table) -> int:
    """How many configurations have a loss that counts as found."""
    return sum(min(curve.losses) <= _WITHIN * table.best for curve in table.curves)


def _ratios(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The median of ours, as a share of each contender's median; none where one of them does not arrive."""
    medians = {name: told["quartiles"][1] for name, told in found.items()}
    ours = medians.get("ours")
    return {name: ours / median for name, median in medians.items() if median and ours and name != "ours"}


def _toml(table: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items()) + " }"


def _memory() -> str | None:
    """A folder in memory, where there is one: thousands of records are written, and none is kept."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def main() -> None:
    """Measure, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="contenders; all of them where none is named")
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--workers", type=int, default=_WORKERS)
    options = parser.parse_args()
    print(json.dumps(measure(names=options.names, seeds=options.seeds, workers=options.workers), indent=1))


if __name__ == "__main__":
    main()
