"""One contest: a job that plain Optuna, Ray Tune and `study launch` each do from the start of their process to its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from colournet import cifar10
from colournet.config import TrainConfig
from colournet.data import prepare
from study.store import StudyFolder

_ROOT = Path(__file__).parents[1]
_POLL_SECONDS = 0.5
_MOST_IMAGES = {"cifar10": 4000, "scenes": 1200}


@dataclass(frozen=True, kw_only=True)
class Job:
    """What all contenders are to do."""

    epochs: int
    trials: int
    fixed: Mapping[str, Any]
    """Settings of all trials; the contenders know `model`, `num_filters`, `learning_rate` and `batch_size`."""
    choices: Mapping[str, list[Any]]
    log_uniform: Mapping[str, list[float]]
    wanted_images: int
    """To train on; fewer where there are not so many."""
    pruner: str | None = None
    """Ours; None for the default."""
    is_grid: bool = False
    """Whether every combination of the choices is tried once; else it is searched."""
    seed: int = 0
    workers: int = 2

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """Every combination of the choices, where it is a grid."""
        found: list[dict[str, Any]] = [{}]
        for name, values in self.choices.items():
            found = [{**point, name: value} for point in found for value in values]
        return found if self.is_grid else []

    @property
    def data(self) -> dict[str, str]:
        """Where images come from: the horses where they are at hand, else the embedded scenes."""
        return {"dataset": "scenes" if cifar10.find(None) is None else "cifar10"}

    @property
    def train_images(self) -> int:
        """How many images are trained on."""
        return min(self.wanted_images, _MOST_IMAGES[self.data["dataset"]])

    def save_data(self, path: Path) -> None:
        """Write the images and labels that ours trains and validates on, as the others read them."""
        config = TrainConfig(**self.data, train_images=self.train_images)
        found = prepare(config, progress=False).for_run(config)
        names = ("train_images", "train_labels", "validation_images", "validation_labels")
        np.savez(path, **{name: getattr(found, name) for name in names})

    def to_json(self, data: Path, folder: Path) -> str:
        """The job as the contenders read it."""
        told = {name: getattr(self, name) for name in ("epochs", "trials", "workers", "seed", "points")}
        searched = {"fixed": self.fixed, "choices": self.choices, "log_uniform": self.log_uniform}
        return json.dumps({**told, **searched, "data": str(data), "folder": str(folder)})

    def to_toml(self) -> str:
        """The job as a search space."""
        fixed = {**self.data, "train_images": self.train_images, "epochs": self.epochs, **self.fixed}
        pruner = "" if self.pruner is None else f'pruner = {{ kind = "{self.pruner}" }}\n'
        sampler = 'sampler = { kind = "grid" }\n' if self.is_grid else ""
        head = f'name = "ours"\ntrials = {self.trials}\nseed = {self.seed}\n{sampler}{pruner}\n[fixed]\n'
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in fixed.items())
        searched = [f'choice"\nchoices = {json.dumps(values)}' for values in self.choices.values()]
        searched += [f'float"\nlow = {low}\nhigh = {high}\nlog = true' for low, high in self.log_uniform.values()]
        names = [*self.choices, *self.log_uniform]
        tables = [f'[search.{name}]\nkind = "{text}\n' for name, text in zip(names, searched, strict=True)]
        return "\n".join([head + lines, *tables])


@dataclass(frozen=True)
class Run:
    """What a contender did."""

    began: float
    """When its process was started, in seconds since the clock's epoch."""
    seconds: float
    """Until it had ended."""
    rows: list[dict[str, Any]]

    @property
    def trials_per_hour(self) -> float:
        """Of the whole run, the start of all processes included."""
        return 3600 * len(self.rows) / self.seconds

    @property
    def trials_per_hour_once_started(self) -> float:
        """From the start of the first trial to the end of the last."""
        first, last = min(row["began"] for row in self.rows), max(row["ended"] for row in self.rows)
        return 3600 * len(self.rows) / (last - first)

    @property
    def best(self) -> float:
        """The least loss of any epoch of any trial."""
        return min(loss for row in self.rows for loss in row["losses"])


def contender(name: str, job: Job, data: Path, folder: Path) -> Run:
    """Run `benchmarks.contenders.NAME`."""
    folder.mkdir()
    (folder / "job.json").write_text(job.to_json(data, folder), encoding="utf-8")
    began = time.time()
    command = [sys.executable, "-m", f"benchmarks.contenders.{name}", str(folder / "job.json")]
    done = subprocess.run(command, cwd=_ROOT, env=_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return Run(began, time.time() - began, json.loads(done.stdout.splitlines()[-1]))


def ours(
    job: Job, folder: Path, *arguments: str, until: Callable[[StudyFolder], bool] | None = None
) -> tuple[Run, StudyFolder]:
    """Run `study launch`, to its end or until it has come so far."""
    folder.mkdir()
    (folder / "space.toml").write_text(job.to_toml(), encoding="utf-8")
    command = [sys.executable, "-c", "from study.cli import main; main()", "launch", "space.toml"]
    log, began = folder / "output.txt", time.time()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--cpus", str(job.workers), *arguments],
            cwd=folder,
            env=_environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        while until is not None and process.poll() is None:
            time.sleep(_POLL_SECONDS)
            if (folder / "results" / "ours").is_dir() and until(StudyFolder(folder / "results" / "ours")):
                process.send_signal(signal.SIGINT)
                break
        process.wait()
    if process.returncode not in (0, 130):
        raise RuntimeError(f"ours ended with {process.returncode}: {log.read_text()[-2000:]}")
    study = StudyFolder(folder / "results" / "ours")
    return Run(began, time.time() - began, _rows(study)), study


def _rows(study: StudyFolder) -> list[dict[str, Any]]:
    record = study.read()
    return [
        {
            "params": trial.params,
            "losses": [event["val_loss"] for event in trial.epochs.values() if event["val_loss"] is not None],
            "began": seconds(str(trial.started)),
            "ended": seconds(str(trial.ended)),
        }
        for trial in record.trials.values()
        if trial.ended is not None
    ]


def seconds(time_of_event: str) -> float:
    """A recorded time in seconds since the clock's epoch."""
    from datetime import datetime

    return datetime.fromisoformat(time_of_event).timestamp()


def _environment() -> dict[str, str]:
    """This process's, with the package's and the data's places made absolute."""
    places = {"PYTHONPATH": os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])}
    if "COLOURNET_DATA" in os.environ:
        places["COLOURNET_DATA"] = str(Path(os.environ["COLOURNET_DATA"]).absolute())
    return {**os.environ, **places}
