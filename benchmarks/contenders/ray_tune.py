"""Ray Tune as its documentation has it: a function trainable, OptunaSearch, ASHA, everything else left as it is."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from benchmarks.contenders import loop


def trainable(config: Mapping[str, Any], data: loop.Data, job: Mapping[str, Any]) -> None:
    """Train one trial; Ray gives it one core, and tells torch so."""
    began, losses = time.time(), []
    settings = {**job["fixed"], **config}
    for loss in loop.train(settings, data, epochs=job["epochs"], seed=job["seed"], weights=Path("best.pt")):
        losses.append(loss)
        tune.report({"val_loss": loss, "row": {"losses": list(losses), "began": began, "ended": time.time()}})


def main(path: str) -> None:
    """Run a job, and print its rows."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    ray.init("local", num_cpus=job["workers"])
    grace = job["epochs"] if job["points"] else 1  # with points to be compared nothing is to be stopped
    tuner = tune.Tuner(
        tune.with_parameters(trainable, data=loop.load(Path(job["data"])), job=job),
        param_space={
            **{name: tune.choice(choices) for name, choices in job["choices"].items()},
            **{name: tune.loguniform(*bounds) for name, bounds in job["log_uniform"].items()},
        },
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            num_samples=job["trials"],
            search_alg=OptunaSearch(points_to_evaluate=job["points"] or None),
            scheduler=ASHAScheduler(max_t=job["epochs"], grace_period=grace),
        ),
        run_config=tune.RunConfig(storage_path=str(Path(job["folder"]).absolute())),
    )
    results = [found for found in tuner.fit() if found.metrics and "row" in found.metrics]
    print(json.dumps([{"params": dict(found.config or {}), **found.metrics["row"]} for found in results]))


if __name__ == "__main__":
    main(*sys.argv[1:])
