"""How soon ours, with its default pruning, reaches the loss at which plain Optuna ends, as a part of that one's time.

Both search the same space from the start of their process. Where ours does not get there in the other's time, it is 1. Two
rounds say little of a search, so the same is asked of recorded curves in fifty landscapes, in virtual time: there an epoch
takes as long whoever trains it, and nothing else takes any.
"""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import contest
from benchmarks.figures import figure, goal
from benchmarks.recorded_table import Table
from benchmarks.search_efficiency import CONTENDERS, landscapes, searching
from benchmarks.simulation import Outcome, simulate
from study.launch.output import keep_quiet
from study.store import StudyFolder

_ENOUGH = 10_000
_AS_GOOD = 1 + 2e-6
"""A recorded curve is asked for anew a hair off, `Table.again`."""
_OTHER_SEED = 1000
"""Far from the other's, with which both would begin with much the same random trials."""


def measure(
    *, rounds: int = 3, epochs: int = 25, trials: int = 24, train_images: int = 600, seeds: int = 50
) -> dict[str, Any]:
    """Let plain Optuna search, then ours until it has reached as much, with another seed in each round.

    Then the same in as many landscapes of recorded curves as there are `seeds`.
    """
    job = contest.Job(
        epochs=epochs,
        trials=trials,
        fixed={"num_filters": 8},
        choices={"model": ["cnn", "unet"], "batch_size": [20, 50, 100]},
        log_uniform={"learning_rate": [1e-4, 3e-2]},
        wanted_images=train_images,
    )
    keep_quiet()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        job.save_data(root / "data.npz")
        for number in range(rounds):
            rows.append(_round(dataclasses.replace(job, seed=number), root, number))
    shares = [simulated_share(table, seed, trials) for seed, table in enumerate(landscapes(seeds))]
    return {
        "sizes": {
            "rounds": rounds,
            "epochs": epochs,
            "trials": trials,
            "train_images": job.train_images,
            **job.data,
            "landscapes": seeds,
        },
        "goals": [
            goal("time to plain Optuna's best loss", [row["share"] for row in rows], unit="of its time", at_most=0.25)
        ],
        "figures": [
            figure("plain Optuna's time", [row["seconds"] for row in rows], unit="s"),
            figure("plain Optuna's best loss", [row["loss"] for row in rows], unit="nats"),
            figure("ours, best loss within that time", [row["ours"] for row in rows], unit="nats"),
            *_times(rows),
            _simulated(shares, trials),
        ],
        "rounds": rows,
        "shares": shares,
    }


def _round(job: contest.Job, root: Path, number: int) -> dict[str, Any]:
    other = contest.contender("plain_optuna", job, root / "data.npz", root / f"other-{number}")

    def is_reached(study: StudyFolder) -> bool:
        return reached(epochs_of(study), other.best) is not None

    # the budget's clock starts later than that of the process, so what comes too late is left out below
    arguments = ("--trials", str(_ENOUGH), "--time-budget", f"{other.seconds:.0f}s")
    run, study = contest.ours(job, root / f"ours-{number}", *arguments, until=is_reached)
    epochs = [(time - run.began, loss) for time, loss in epochs_of(study) if time <= run.began + other.seconds]
    taken = reached(epochs, other.best)
    return {
        "loss": other.best,
        "seconds": other.seconds,
        "ours": min(loss for _, loss in epochs),
        "reached": taken,
        "share": 1.0 if taken is None else taken / other.seconds,
    }


def _times(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How long ours took, in the rounds in which it got there."""
    times = [row["reached"] for row in rows if row["reached"] is not None]
    return [figure("ours, time to that loss where it got there", times, unit="s")] if times else []


def reached(epochs: Iterable[tuple[float, float]], loss: float) -> float | None:
    """When so low a loss was first there, of times and losses; None if it never was."""
    return min((time for time, found in epochs if found <= loss), default=None)


def epochs_of(study: StudyFolder) -> list[tuple[float, float]]:
    """When every epoch of a study was recorded, in seconds since the clock's epoch, and its validation loss."""
    return [
        (contest.seconds(event["time"]), event["val_loss"])
        for trial in study.read().trials.values()
        for event in trial.epochs.values()
        if event["val_loss"] is not None
    ]


def simulated_share(table: Table, seed: int, trials: int, *, workers: int = 2) -> float | None:
    """How soon our search has found as much in a landscape as plain Optuna's whole one, of its virtual time; None if later."""
    run = partial(simulate, curve_of=partial(table.again, generator=random.Random(seed)), workers=workers)
    with searching(CONTENDERS["TPE without pruning"], seed=seed, workers=workers, trials=trials) as search:
        other = run(search)

    def is_enough(outcome: Outcome) -> bool:
        return outcome.best <= _AS_GOOD * other.best or outcome.seconds >= other.seconds

    with searching(CONTENDERS["ours"], seed=seed + _OTHER_SEED, workers=workers) as search:
        found = run(search, is_enough=is_enough)
    return found.seconds / other.seconds if found.best <= _AS_GOOD * other.best else None


def _simulated(shares: Sequence[float | None], trials: int) -> dict[str, Any]:
    arrived = sum(share is not None for share in shares)
    return figure(
        f"by the search alone, {trials} trials of 30 recorded epochs, 2 workers: time to the other's best loss "
        f"(ours gets there in {arrived} of {len(shares)} landscapes; 1 where it does not)",
        [1.0 if share is None else share for share in shares],
        unit="of its virtual time",
    )
