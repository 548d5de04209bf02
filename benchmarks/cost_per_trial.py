"""What a trial costs beside its epochs on two cores, by what the study recorded of itself: short trials, and long ones."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks import contest
from benchmarks.figures import figure, goal
from study.worker_time import WorkerTime

_LONG_SECONDS = 20.0


def measure(*, rounds: int = 2, trials: int = 24, long_images: int = 4000, long_epochs: int = 10) -> dict[str, Any]:
    """Run a study of short trials and one of long ones in each round."""
    short: list[WorkerTime] = []
    long: list[WorkerTime] = []
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(rounds):
            short.append(_study(_job(trials, 5, 200), Path(scratch) / f"short-{number}"))
            long.append(_study(_job(4, long_epochs, long_images), Path(scratch) / f"long-{number}"))
    costs = [cost for each in short for cost in each.costs]
    shares = [100 * share for each in long if (share := _share(each, warm=True)) is not None]
    cold = [100 * share for each in long if (share := _share(each, warm=False)) is not None]
    return {
        "sizes": {"rounds": rounds, "trials": trials, "long_images": long_images, "long_epochs": long_epochs},
        "goals": [
            goal("a trial of 5 epochs beside them, workers warm", costs, unit="s", at_most=0.15),
            goal("workers' time in epochs, trials of 20 s or more, workers warm", shares, unit="%", at_least=95),
        ],
        "figures": [
            figure(
                "the same share, the first trial of each worker included, which begins when it is asked", cold, unit="%"
            ),
            figure("a long trial beside its epochs", [cost for each in long for cost in each.costs], unit="s"),
        ],
        "spells": {"short": list(map(_plain, short)), "long": list(map(_plain, long))},
    }


def _job(trials: int, epochs: int, images: int) -> contest.Job:
    return contest.Job(
        epochs=epochs,
        trials=trials,
        fixed={"model": "unet", "num_filters": 16, "batch_size": 100},
        choices={},
        log_uniform={"learning_rate": [1e-3, 4e-3]},
        wanted_images=images,
        pruner="none",
    )


def _study(job: contest.Job, folder: Path) -> WorkerTime:
    _, study = contest.ours(job, folder)
    return study.read().worker_time


def _share(spent: WorkerTime, *, warm: bool) -> float | None:
    """The share of epochs in the time of long trials, of those on warm workers or of all."""
    chosen = [spell for spell in spent.spells if spell.epoch_seconds >= _LONG_SECONDS and spell.is_warm >= warm]
    seconds = sum(spell.seconds for spell in chosen)
    return sum(spell.epoch_seconds for spell in chosen) / seconds if seconds else None


def _plain(spent: WorkerTime) -> list[dict[str, Any]]:
    return [spell._asdict() for spell in spent.spells]
