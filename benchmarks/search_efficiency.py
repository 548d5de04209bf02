"""How many epochs a search trains until it is within 1 % of the best recorded loss, by sampler, pruner and their settings."""

from __future__ import annotations

import json
import math
import os
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.curves import SPACE
from benchmarks.figures import goal
from benchmarks.recorded_table import Table
from benchmarks.search_contenders import RayTune, Service
from benchmarks.simulation import Outcome, simulate
from benchmarks.variations import Varied
from study.launch.optimizer import Optimizer
from study.launch.output import keep_quiet
from study.space import Space
from study.space_tables import PRUNERS, SAMPLERS

_SEEDS = 50
_WORKERS = 8
_WITHIN = 1.01
_MOST_EPOCHS = 3_000
"""A search that has not arrived by then counts as one that never does."""
_RATES = 2
"""Learning rates of each combination of choices in a landscape, of the five that were recorded."""
_OTHER_WORKERS = (1, 64)
_GOALS = {"random search": 0.25, "TPE without pruning": 0.5, "Ray Tune: OptunaSearch and ASHA": 1.0}
"""The most that our median is to be, as a share of each."""
_BY_WORKERS = ("Ray Tune: OptunaSearch and ASHA", "ours")

_HALVING = {"kind": "successive_halving", **PRUNERS["successive_halving"]}
_HYPERBAND = {"kind": "hyperband", **PRUNERS["hyperband"]}
_MEDIAN = {"kind": "median", **PRUNERS["median"]}
_TPE = {"kind": "tpe", **SAMPLERS["tpe"]}
_NONE = {"kind": "none"}
_AS_OPTUNA = partial(Varied, ranks_by_depth=False)
"""The service's optimizer, but trials are ranked as Optuna ranks them."""


@dataclass(frozen=True)
class Contender:
    """A search by the service, as a space asks for it, or a little otherwise; or Ray Tune's own."""

    sampler: Mapping[str, Any] = field(default_factory=lambda: _TPE)
    pruner: Mapping[str, Any] = field(default_factory=lambda: _HALVING)
    make: Callable[[Space], Optimizer] = Optimizer
    rays_grace: int | None = None
    """The grace period of Ray's scheduler, where it is Ray's search; its default is 1."""


def _halving(grace: int, factor: int) -> Contender:
    """What was the default before, of another grace and factor."""
    return _before(pruner={"kind": "successive_halving", "min_epochs": grace, "reduction_factor": factor})


def _before(sampler: Mapping[str, Any] = _TPE, pruner: Mapping[str, Any] = _HALVING, **varied: Any) -> Contender:
    """What was the default before, with a thing changed."""
    return Contender(sampler, pruner, partial(Varied, ranks_by_depth=False, **varied))


def _ours(grace: int, factor: int) -> Contender:
    return Contender(pruner={"kind": "successive_halving", "min_epochs": grace, "reduction_factor": factor})


CONTENDERS: Mapping[str, Contender] = {
    "random search": Contender({"kind": "random"}, _NONE),
    "TPE without pruning": Contender(_TPE, _NONE, _AS_OPTUNA),
    "Hyperband": Contender({"kind": "random"}, _HYPERBAND),
    "Ray Tune: OptunaSearch and ASHA": Contender(rays_grace=1),
    "Ray Tune with a grace of 2": Contender(rays_grace=2),
    "before": _before(),
    "ours": Contender(),
}
"""What is compared. All but Ray's are driven through the service, which adds nothing of its own to the first three."""

CHOICES: Mapping[str, Contender] = {
    "ours": Contender(),
    "trials ranked as Optuna ranks them": _before(),
    "compared where 20 have come": Contender(make=partial(Varied, enough=20)),
    "quota of all trials": Contender(make=partial(Varied, has_quota=True)),
    "grace 4": _ours(4, 3),
    "5 start-up trials": Contender({**_TPE, "startup_trials": 5}),
    "TPE and median": Contender(pruner=_MEDIAN),
}
"""Ours, with one thing changed."""

EARLIER_CHOICES: Mapping[str, Contender] = {
    "before": _before(),
    "grace 1": _halving(1, 3),
    "grace 2": _halving(2, 3),
    "grace 4": _halving(4, 3),
    "factor 4": _halving(3, 4),
    "factor 4, grace 1": _halving(1, 4),
    "factor 4, grace 2": _halving(2, 4),
    "factor 4, grace 4": _halving(4, 4),
    "grace 1, latest value": _before(
        pruner={"kind": "successive_halving", "min_epochs": 1, "reduction_factor": 3}, judges_latest=True
    ),
    "pruned trials told as completed": _before(completes_pruned=True),
    "the pruner sees the latest value": _before(judges_latest=True),
    "TPE and Hyperband": _before(pruner=_HYPERBAND),
    "TPE and median": _before(pruner=_MEDIAN),
    "random and halving": _before({"kind": "random"}),
    "5 start-up trials": _before({**_TPE, "startup_trials": 5}),
    "20 start-up trials": _before({**_TPE, "startup_trials": 20}),
    "40 start-up trials": _before({**_TPE, "startup_trials": 40}),
    "no constant liar": _before(sampler_of={"multivariate": True, "constant_liar": False}),
    "parameters one by one": _before(sampler_of={"multivariate": False, "constant_liar": True}),
    "group": _before(sampler_of={"multivariate": True, "constant_liar": True, "group": True}),
}
"""The default before, with one or two things changed."""


def measure(*, seeds: int = _SEEDS, workers: int = _WORKERS) -> dict[str, Any]:
    """Simulate every contender and every choice in as many landscapes as there are seeds; JSON-ready."""
    keep_quiet()
    found = landscapes(seeds)
    compared = {name: _measure(found, each, workers) for name, each in CONTENDERS.items()}
    return {
        "goals": _goals(compared),
        "seeds": seeds,
        "workers": workers,
        "most_epochs": _MOST_EPOCHS,
        "contenders": compared,
        "ratios": _ratios(compared),
        "choices": {name: _measure(found, each, workers) for name, each in CHOICES.items()},
        "earlier_choices": {name: _measure(found, each, workers) for name, each in EARLIER_CHOICES.items()},
        "by_workers": {
            count: {name: _measure(found, CONTENDERS[name], count) for name in _BY_WORKERS} for count in _OTHER_WORKERS
        },
    }


def landscapes(seeds: int) -> list[Table]:
    """A table for each seed. Each lacks most of what was recorded, so that each has a best configuration of its own.

    In one landscape a search finds the best configuration or misses it for ever by whether that one happens to be good at
    the epochs where it is judged, since its curve is the same whenever it is asked.
    """
    table = Table.read()
    return [table.thinned(_RATES, generator=random.Random(seed)) for seed in range(seeds)]


def _measure(tables: Sequence[Table], contender: Contender, workers: int) -> dict[str, Any]:
    outcomes = [_search(table, contender, seed, workers) for seed, table in enumerate(tables)]
    epochs = [
        outcome.epochs if _has_arrived(outcome, table) else None
        for outcome, table in zip(outcomes, tables, strict=True)
    ]
    return {
        "epochs": epochs,
        "quartiles": _quartiles(epochs),
        "arrived": sum(each is not None for each in epochs),
        "trials": statistics.median(outcome.trials for outcome in outcomes),
    }


def _has_arrived(outcome: Outcome, table: Table) -> bool:
    return outcome.best <= _WITHIN * table.best


def _search(table: Table, contender: Contender, seed: int, workers: int) -> Outcome:
    def is_enough(outcome: Outcome) -> bool:
        return _has_arrived(outcome, table) or outcome.epochs >= _MOST_EPOCHS

    curve_of = partial(table.again, generator=random.Random(seed))
    run, space = partial(simulate, curve_of=curve_of, workers=workers, is_enough=is_enough), Space.load(SPACE)
    if contender.rays_grace is not None:
        return run(RayTune(space, epochs=space.fixed["epochs"], grace=contender.rays_grace, seed=seed))
    with searching(contender, seed=seed, workers=workers) as search:
        return run(search)


@contextmanager
def searching(contender: Contender, *, seed: int, workers: int, trials: int | None = None) -> Iterator[Service]:
    """A study of the recorded space as a contender searches it, unless that is Ray's own; by default it has no end."""
    head = f"seed = {seed}\nsampler = {_toml(contender.sampler)}\npruner = {_toml(contender.pruner)}\n"
    space = Space.parse(head + Space.load(SPACE).text)
    with (
        tempfile.TemporaryDirectory(dir=_memory()) as results,
        Service.launched(Path(results), space, trials=trials, workers=workers, make=contender.make) as search,
    ):
        yield search


def _quartiles(epochs: Sequence[int | None]) -> list[float | None]:
    """Lower quartile, median, upper quartile; None for one that more than so many searches never reach."""
    far = sorted(math.inf if each is None else each for each in epochs)
    last = len(far) - 1
    cuts = [far[round(last * quarter / 4)] for quarter in (1, 2, 3)]
    return [cut if math.isfinite(cut) else None for cut in cuts]


def _ratios(found: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """The median of ours, as a share of each contender's median; none where one of them does not arrive."""
    medians = {name: told["quartiles"][1] for name, told in found.items()}
    ours = medians.get("ours")
    return {name: ours / median for name, median in medians.items() if median and ours and name != "ours"}


def _goals(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Our median as a share of others'; of one that does not arrive in the median, of the epochs at which it was given up."""
    ours = found["ours"]["quartiles"][1]
    return [
        goal(
            f"epochs until within 1 % of the best, medians of {len(found[name]['epochs'])} landscapes, ours over {name}'s",
            [] if ours is None else [ours / (found[name]["quartiles"][1] or _MOST_EPOCHS)],
            unit="",
            at_most=most,
        )
        for name, most in _GOALS.items()
    ]


def _toml(table: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{name} = {json.dumps(value)}" for name, value in table.items()) + " }"


def _memory() -> str | None:
    """A folder in memory, where there is one: thousands of records are written, and none is kept."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
