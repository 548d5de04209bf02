"""Optuna as its tutorial has it: `study.optimize(n_jobs)` over a plain PyTorch loop, with SQLite."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import torch

from benchmarks.contenders import loop


def main(path: str) -> None:
    """Run a job, and print its rows."""
    job, rows = json.loads(Path(path).read_text(encoding="utf-8")), []
    torch.set_num_threads(1)  # each of the jobs takes a core
    data = loop.load(Path(job["data"]))
    folder = Path(job["folder"])

    def objective(trial: optuna.Trial) -> float:
        began, losses = time.time(), []
        params = suggest(trial, job)
        weights = folder / f"{trial.number}.pt"
        for loss in loop.train(
            {**job["fixed"], **params}, data, epochs=job["epochs"], seed=trial.number, weights=weights
        ):
            losses.append(loss)
        rows.append({"params": params, "losses": losses, "began": began, "ended": time.time()})
        return min((loss for loss in losses if math.isfinite(loss)), default=math.nan)

    study = optuna.create_study(
        storage=f"sqlite:///{folder}/optuna.db", sampler=optuna.samplers.TPESampler(seed=job["seed"])
    )
    study.optimize(objective, n_trials=job["trials"], n_jobs=job["workers"])
    print(json.dumps(rows))


def suggest(trial: optuna.Trial, job: dict[str, Any]) -> dict[str, Any]:
    """What is searched, of one trial; of given points each by its number.

    Queued points (`enqueue_trial`) would be handed to two jobs at once: with SQLite and threads Optuna 5.0.0 then ends with
    "Cannot tell a COMPLETE trial".
    """
    if job["points"]:
        trial.set_user_attr("point", job["points"][trial.number])
        return dict(job["points"][trial.number])
    chosen = {name: trial.suggest_categorical(name, choices) for name, choices in job["choices"].items()}
    drawn = {name: trial.suggest_float(name, *bounds, log=True) for name, bounds in job["log_uniform"].items()}
    return {**chosen, **drawn}


if __name__ == "__main__":
    main(*sys.argv[1:])
