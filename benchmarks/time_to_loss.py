"""How soon ours, with its default pruning, reaches the loss at which plain Optuna ends, as a part of that one's time.

Both search the same space from the start of their process. Where ours does not get there in the other's time, it is 1. Two
rounds say little of a search, so the same is asked of recorded curves in fifty landscapes, in virtual time: there an epoch
takes as long whoever trains it, and nothing else takes any.
"""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import contest
from benchmarks.figures import figure, goal
from benchmarks.recorded_table import Table
from benchmarks.search_efficiency import CONTENDERS, PLAIN_OPTUNA, landscapes, searching
from benchmarks.simulation import Outcome, simulate
from study.launch.output import keep_quiet
from study.store import StudyFolder

_ENOUGH = 10_000
_AS_GOOD = 1 + 2e-6
"""A recorded curve is asked for anew a hair off, `Table.again`."""
_OTHER_SEED = 1000
"""Far from the other's, with which both would begin with much the same random trials."""


def measure(
    *, rounds: int = 2, epochs: int = 25, trials: int = 24, train_images: int = 600, seeds: int = 50
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
    return {
        "sizes": {"rounds": rounds, "epochs": epochs, "trials": trials, "train_images": job.train_images, **job.data},
        "goals": [
            goal("time to plain Optuna's best loss", [row["share"] for row in rows], unit="of its time", at_most=0.25)
        ],
        "figures": [
            figure("plain Optuna's time", [row["seconds"] for row in rows], unit="s"),
            figure("plain Optuna's best loss", [row["loss"] for row in rows], unit="nats"),
            figure("ours, best loss when it stopped", [row["ours"] for row in rows], unit="nats"),
            *_times(rows),
            figure(
                f"the same by the search alone, {trials} trials of 30 recorded epochs, 2 workers, {seeds} landscapes",
                [simulated_share(table, seed, trials) for seed, table in enumerate(landscapes(seeds))],
                unit="of its virtual time",
            ),
        ],
        "rounds": rows,
    }


def _round(job: contest.Job, root: Path, number: int) -> dict[str, Any]:
    other = contest.contender("plain_optuna", job, root / "data.npz", root / f"other-{number}")

    def is_reached(study: StudyFolder) -> bool:
        return reached(study, other.best) is not None

    arguments = ("--trials", str(_ENOUGH), "--time-budget", f"{other.seconds:.0f}s")
    run, study = contest.ours(job, root / f"ours-{number}", *arguments, until=is_reached)
    when, best = reached(study, other.best), min(loss for _, loss in _epochs(study))
    taken = None if when is None else when - run.began
    share = 1.0 if taken is None else min(taken / other.seconds, 1.0)
    return {"loss": other.best, "seconds": other.seconds, "ours": best, "reached": taken, "share": share}


def simulated_share(table: Table, seed: int, trials: int, *, workers: int = 2) -> float:
    """How soon our search has found as much in a landscape as plain Optuna's whole one, of its time; at most 1."""
    run = partial(simulate, curve_of=partial(table.again, generator=random.Random(seed)), workers=workers)
    with searching(PLAIN_OPTUNA, seed=seed, workers=workers, trials=trials) as search:
        other = run(search)

    def is_reached(outcome: Outcome) -> bool:
        return outcome.best <= _AS_GOOD * other.best

    def is_enough(outcome: Outcome) -> bool:
        return is_reached(outcome) or outcome.seconds >= other.seconds

    with searching(CONTENDERS["ours"], seed=seed + _OTHER_SEED, workers=workers) as search:
        found = run(search, is_enough=is_enough)
    return min(found.seconds / other.seconds, 1.0) if is_reached(found) else 1.0


def _times(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """How long ours took, in the rounds in which it got there."""
    times = [row["reached"] for row in rows if row["reached"] is not None]
    return [figure("ours, time to that loss where it got there", times, unit="s")] if times else []


def reached(study: StudyFolder, loss: float) -> float | None:
    """When an epoch of a study first had so low a loss, in seconds since the clock's epoch."""
    return min((time for time, found in _epochs(study) if found <= loss), default=None)


def _epochs(study: StudyFolder) -> list[tuple[float, float]]:
    """When every epoch of a study was recorded, in seconds since the clock's epoch, and its validation loss."""
    return [
        (contest.seconds(event["time"]), event["val_loss"])
        for trial in study.read().trials.values()
        for event in trial.epochs.values()
        if event["val_loss"] is not None
    ]
