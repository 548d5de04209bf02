"""How many epochs a search trains until it is within 1 % of the best recorded loss, by sampler, pruner and their settings."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contenders import RayTune, Service
from benchmarks.curves import SPACE
from benchmarks.simulation import Outcome, Search, simulate
from benchmarks.table import Table
from benchmarks.variations import Varied
from study.launch.optimizer import Optimizer
from study.space import Space
from study.space_tables import PRUNERS, SAMPLERS

_SEEDS = 50
_WORKERS = 8
_WITHIN = 1.01
_MOST_EPOCHS = 12_000
"""A search that has not arrived by then counts as one that never does."""
_MOST_OF_CHOICES = 3_000
_OTHER_WORKERS = (1, 64)
_BY_WORKERS = ("Ray Tune: OptunaSearch and ASHA", "ours")
_IN_PARTS = ("ours", "factor 3, grace 1", "factor 3", "grace 1", "grace 3", "the pruner sees the best so far")

_HALVING = {"kind": "successive_halving", **PRUNERS["successive_halving"]}
_HYPERBAND = {"kind": "hyperband", **PRUNERS["hyperband"]}
_TPE = {"kind": "tpe", **SAMPLERS["tpe"]}
_NONE = {"kind": "none"}


@dataclass(frozen=True)
class Contender:
    """A search by the service, as a space asks for it, or a little otherwise; or Ray Tune's own."""

    sampler: Mapping[str, Any] = field(default_factory=lambda: _TPE)
    pruner: Mapping[str, Any] = field(default_factory=lambda: _HALVING)
    make: Callable[[Space], Optimizer] = Optimizer
    rays_grace: int | None = None
    """The grace period of Ray's scheduler, where it is Ray's search; its default is 1."""


def _halving(grace: int, factor: int) -> Contender:
    return Contender(pruner={"kind": "successive_halving", "min_epochs": grace, "reduction_factor": factor})


CONTENDERS: Mapping[str, Contender] = {
    "random search": Contender({"kind": "random"}, _NONE),
    "TPE without pruning": Contender(_TPE, _NONE),
    "Hyperband": Contender({"kind": "random"}, _HYPERBAND),
    "Ray Tune: OptunaSearch and ASHA": Contender(rays_grace=1),
    "Ray Tune with our grace": Contender(rays_grace=2),
    "ours": Contender(),
}
"""What is compared. All but Ray's are driven through the service, which adds nothing of its own to the first three."""

CHOICES: Mapping[str, Contender] = {
    "ours": Contender(),
    "factor 3, grace 1": _halving(1, 3),
    "factor 2": _halving(2, 2),
    "factor 3": _halving(2, 3),
    "factor 5": _halving(2, 5),
    "grace 1": _halving(1, 4),
    "grace 3": _halving(3, 4),
    "grace 4": _halving(4, 4),
    "pruned trials told as completed": Contender(make=partial(Varied, completes_pruned=True)),
    "the pruner sees the best so far": Contender(make=partial(Varied, judges_best=True)),
    "TPE and Hyperband": Contender(pruner=_HYPERBAND),
    "TPE and median": Contender(pruner={"kind": "median", "startup_trials": 5, "warmup_epochs": 1}),
    "random and halving": Contender({"kind": "random"}),
    "5 start-up trials": Contender({**_TPE, "startup_trials": 5}),
    "20 start-up trials": Contender({**_TPE, "startup_trials": 20}),
    "40 start-up trials": Contender({**_TPE, "startup_trials": 40}),
    "no constant liar": Contender(make=partial(Varied, sampler={"multivariate": True, "constant_liar": False})),
    "parameters one by one": Contender(make=partial(Varied, sampler={"multivariate": False, "constant_liar": True})),
    "group": Contender(make=partial(Varied, sampler={"multivariate": True, "constant_liar": True, "group": True})),
}
"""Ours, with one or two things changed."""

PARTS: Sequence[Mapping[str, Any]] = (
    {"kernel_size": 5},
    {"model": "cnn"},
    {"flip_horizontal": True},
    {"batch_size": 32},
)
"""Parts of the space that lack its best configuration, each with a best one of its own: what holds there is no accident."""


def measure(*, seeds: int = _SEEDS, workers: int = _WORKERS) -> dict[str, Any]:
    """Simulate every contender, every choice, and the choices that mattered in parts of the space; JSON-ready."""
    from study.launch.cluster import keep_quiet

    keep_quiet()
    table = Table.read()
    compared = {name: _measure(table, each, seeds, workers) for name, each in CONTENDERS.items()}
    return {
        "recorded": {"configurations": len(table.curves), "best": table.best, "within": _near(table)},
        "seeds": seeds,
        "workers": workers,
        "most_epochs": {"contenders": _MOST_EPOCHS, "choices": _MOST_OF_CHOICES},
        "contenders": compared,
        "ratios": _ratios(compared),
        "choices": measure_choices(table, seeds=seeds, workers=workers),
        "parts": [
            {"part": part, **measure_choices(table, names=_IN_PARTS, part=part, seeds=seeds, workers=workers)}
            for part in PARTS
        ],
        "by_workers": {
            count: {name: _measure(table, CONTENDERS[name], seeds, count) for name in _BY_WORKERS}
            for count in _OTHER_WORKERS
        },
    }


def measure_choices(
    table: Table,
    *,
    names: Iterable[str] | None = None,
    part: Mapping[str, Any] | None = None,
    seeds: int = _SEEDS,
    workers: int = _WORKERS,
) -> dict[str, Any]:
    """Simulate choices, in a part of the space where one is given."""
    found, most = names or CHOICES, _MOST_OF_CHOICES
    return {name: _measure(table, CHOICES[name], seeds, workers, most=most, part=part or {}) for name in found}


def _measure(
    table: Table,
    contender: Contender,
    seeds: int,
    workers: int,
    *,
    most: int = _MOST_EPOCHS,
    part: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    table, space = table.within(part or {}), _part_of(Space.load(SPACE), part or {})
    enough = _WITHIN * table.best

    def is_enough(outcome: Outcome) -> bool:
        return outcome.best <= enough or outcome.epochs >= most

    run = partial(simulate, curve_of=table.curve, workers=workers, is_enough=is_enough)
    outcomes = [_search(run, space, contender, seed, workers) for seed in range(seeds)]
    epochs = [outcome.epochs if outcome.best <= enough else None for outcome in outcomes]
    return {
        "epochs": epochs,
        "quartiles": _quartiles(epochs),
        "arrived": sum(each is not None for each in epochs),
        "trials": statistics.median(outcome.trials for outcome in outcomes),
    }


def _search(run: Callable[[Search], Outcome], space: Space, contender: Contender, seed: int, workers: int) -> Outcome:
    if contender.rays_grace is not None:
        return run(RayTune(space, epochs=space.fixed["epochs"], grace=contender.rays_grace, seed=seed))
    head = f"seed = {seed}\nsampler = {_toml(contender.sampler)}\npruner = {_toml(contender.pruner)}\n"
    space = Space.parse(head + space.text)
    with (
        tempfile.TemporaryDirectory(dir=_memory()) as results,
        Service.launched(Path(results), space, trials=None, workers=workers, make=contender.make) as search,
    ):
        return run(search)


def _part_of(space: Space, known: Mapping[str, Any]) -> Space:
    """The space with some of its parameters fixed."""
    text = space.text
    for name, value in known.items():
        text = re.sub(rf"\[search\.{name}\]\n(.+\n)+", "", text)
        text = text.replace("[fixed]\n", f"[fixed]\n{name} = {json.dumps(value)}\n")
    return Space.parse(text, default_name=space.name)


def _quartiles(epochs: Sequence[int | None]) -> list[float | None]:
    """Lower quartile, median, upper quartile; None for one that more than so many searches never reach."""
    far = sorted(math.inf if each is None else each for each in epochs)
    last = len(far) - 1
    cuts = [far[round(last * quarter / 4)] for quarter in (1, 2, 3)]
    return [cut if math.isfinite(cut) else None for cut in cuts]


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
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--workers", type=int, default=_WORKERS)
    options = parser.parse_args()
    print(json.dumps(measure(seeds=options.seeds, workers=options.workers), indent=1))


if __name__ == "__main__":
    main()
