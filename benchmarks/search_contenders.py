"""The searches that are compared: the service's own, by whatever space, and Ray Tune's with its own Optuna and ASHA."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.simulation import Work
from study.launch.driver import Driver
from study.launch.messages import Task
from study.launch.optimizer import Optimizer, distribution
from study.launch.tpe import NotingTPE
from study.launch.trial_notes import Notes
from study.layout import TrialLayout
from study.space import Space
from study.store import StudyFolder

_METRIC = "val_loss"


class Service:
    """The service: its driver, its record, its sampler and its pruner, all but Ray and training."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._tasks: dict[int, Task] = {}

    @classmethod
    @contextmanager
    def launched(
        cls,
        results: Path,
        space: Space,
        *,
        trials: int | None,
        workers: int,
        make: Callable[[Space], Optimizer] = Optimizer,
    ) -> Iterator[Service]:
        """A new study of `space` under `results`, without data."""
        goal = {"metric": space.objective.metric, "goal": space.objective.goal, "epoch": "best"}
        told = {
            "question": space.question,
            "trials": trials or space.trials,
            "seed": space.seed,
            "objective": goal,
            "palettes": {},
        }
        manifest = {**told, "data": {"fingerprint": "0" * 64}, "provenance": {}, "floors": {}}
        folder = StudyFolder.create(results, space.name, space_text=space.text, manifest=manifest)
        with folder.write() as writer:
            writer.append("launched", trials=trials or space.trials, host="simulated", pid=1, workers=workers)
            driver = Driver(folder, writer, make(space), trials=trials)
            yield cls(driver)
            driver.close()

    def begin(self) -> Work | None:
        task = self._driver.next_task()
        if task is None:
            return None
        self._tasks[task.number] = task
        worker = {"host": "simulated", "pid": 1, "device": "cpu", "parameters": 1, "resumed_from_epoch": 0}
        started = {"event": "started", "attempt": task.attempts + 1, **worker, "history": []}
        self._driver.receive(task.number, started)
        return Work(task.number, task.config)

    def report(self, work: Work, epoch: int, loss: float, seconds: float) -> bool:
        told = {"train_loss": loss, "val_loss": loss, "val_accuracy": 0.0, "val_mse": 0.0, "images_per_second": 1.0}
        report = {"event": "epoch", "attempt": self._attempt(work), "epoch": epoch, **told, "seconds": seconds}
        return self._driver.receive(work.number, report) == "continue"

    def finish(self, work: Work) -> None:
        layout, attempt = TrialLayout(Path(self._tasks[work.number].folder)), self._attempt(work)
        layout.attempt(attempt).mkdir(parents=True)
        for path in (layout.model(attempt), layout.config, layout.samples):
            path.touch()
        self._driver.receive(work.number, {"event": "finished", "attempt": attempt})

    def _attempt(self, work: Work) -> int:
        return self._tasks[work.number].attempts + 1


class RayTune:
    """Ray Tune's `OptunaSearch` and `ASHAScheduler`, called as `TuneController` calls them; all else at its default."""

    def __init__(self, space: Space, *, epochs: int, seed: int, grace: int = 1) -> None:
        import optuna
        from ray.tune.schedulers import ASHAScheduler
        from ray.tune.search.optuna import OptunaSearch

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        searched = {name: distribution(parameter) for name, parameter in space.search.items()}
        # to the bit what OptunaSearch makes by itself, and faster
        sampler = NotingTPE(seed=seed, startup_trials=10, notes=Notes())
        self._searcher = OptunaSearch(searched, metric=_METRIC, mode="min", sampler=sampler)
        self._scheduler = ASHAScheduler(metric=_METRIC, mode="min", max_t=epochs, grace_period=grace)
        self._trials: dict[int, Any] = {}

    def begin(self) -> Work:
        number = len(self._trials)
        trial = self._trials[number] = SimpleNamespace(trial_id=f"{number:05d}")
        params = self._searcher.suggest(trial.trial_id)
        self._scheduler.on_trial_add(None, trial)
        return Work(number, params)

    def report(self, work: Work, epoch: int, loss: float, seconds: float) -> bool:  # noqa: ARG002 (it asks no clock)
        trial, result = self._trials[work.number], {_METRIC: loss, "training_iteration": epoch}
        if self._scheduler.on_trial_result(None, trial, result) != "STOP":
            self._searcher.on_trial_result(trial.trial_id, result)
            return True
        self._scheduler.on_trial_complete(None, trial, result)
        self._searcher.on_trial_complete(trial.trial_id, result)
        return False

    def finish(self, work: Work) -> None:
        raise AssertionError(f"trial {work.number}: ASHA stops every trial at max_t")
