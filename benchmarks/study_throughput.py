"""Trials per hour of whole studies on two cores, the same configurations without pruning: plain Optuna, Ray Tune, ours.

Each contender runs from the start of its process to its end, in turns. The others are given images and labels that are
prepared; ours prepares them itself, as it always does.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import contest
from benchmarks.figures import figure, goal, ratios

_OTHERS = ("plain_optuna", "ray_tune")


def measure(*, rounds: int = 3, epochs: int = 5, train_images: int = 4000) -> dict[str, Any]:
    """Run all three in each round, taking turns in who begins."""
    job = contest.Job(
        epochs=epochs,
        trials=16,
        fixed={"num_filters": 16},
        choices={"model": ["cnn", "unet"], "learning_rate": [1e-3, 2e-3, 4e-3, 8e-3], "batch_size": [50, 100]},
        log_uniform={},
        wanted_images=train_images,
        pruner="none",
        is_grid=True,
    )
    runs: dict[str, list[contest.Run]] = {name: [] for name in (*_OTHERS, "ours")}
    shares, costs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        job.save_data(root / "data.npz")
        for number in range(rounds):
            turn = number % len(runs)  # none is always the first
            for name in [*runs][turn:] + [*runs][:turn]:
                folder = root / f"{name}-{number}"
                if name != "ours":
                    runs[name].append(contest.contender(name, job, root / "data.npz", folder))
                    continue
                run, study = contest.ours(job, folder)
                runs[name].append(run)
                spent = study.read().worker_time
                in_epochs = sum(spell.epoch_seconds for spell in spent.spells)
                shares.append(100 * in_epochs / (job.workers * run.seconds))
                costs += spent.costs
    return {
        "sizes": {
            "rounds": rounds,
            "epochs": epochs,
            "train_images": job.train_images,
            "trials": job.trials,
            **job.data,
        },
        "goals": [_goal(runs, "plain_optuna", 1.6), _goal(runs, "ray_tune", 2.0)],
        "figures": [*_rates(runs), *_losses(runs), *_overhead(shares, costs)],
        "runs": {name: [vars(run) for run in found] for name, found in runs.items()},
    }


def _goal(runs: dict[str, list[contest.Run]], other: str, least: float) -> dict[str, Any]:
    rates = {name: [run.trials_per_hour for run in runs[name]] for name in ("ours", other)}
    return goal(f"trials per hour, ours over {other}", ratios(rates["ours"], rates[other]), unit="x", at_least=least)


def _rates(runs: dict[str, list[contest.Run]]) -> list[dict[str, Any]]:
    return [
        *(
            figure(f"{name}, whole", [run.trials_per_hour for run in runs[name]], unit="trials an hour")
            for name in runs
        ),
        *(
            figure(
                f"{name}, once started", [run.trials_per_hour_once_started for run in runs[name]], unit="trials an hour"
            )
            for name in runs
        ),
    ]


def _losses(runs: dict[str, list[contest.Run]]) -> list[dict[str, Any]]:
    """The losses that trials end with, from which it shows that all contenders did the same work."""
    return [
        figure(
            f"{name}, median of trials' last losses",
            [statistics.median(row["losses"][-1] for row in run.rows) for run in runs[name]],
            unit="nats",
        )
        for name in runs
    ]


def _overhead(shares: list[float], costs: list[float]) -> list[dict[str, Any]]:
    return [
        figure("ours, epochs' share of two cores from the command's start to its end", shares, unit="%"),
        figure("ours, a trial beside its epochs, workers warm", costs, unit="s"),
    ]
