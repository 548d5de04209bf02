"""The seam to Ray Tune: a searcher that hands out the driver's trials, a scheduler that passes on what workers tell.

Tune places trials on workers, reuses their processes and retries what is lost with a node. It decides nothing and
remembers nothing: its experiment folder is scratch and its snapshots are never read.
"""

from __future__ import annotations

import json
import logging
import tempfile
from typing import Any

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from colournet.data import DataBundle
from study.launch.driver import Driver
from study.launch.messages import Report, Task
from study.launch.worker import run_trial

_MESSAGE = "message"
_LOST_RETRIES = 3  # workers of one trial that may be lost before the trial is given up


def run(driver: Driver, bundle: DataBundle, *, per_trial: dict[str, float], capacity: int) -> None:
    """Run the driver's trials to the end, or until the process gets SIGUSR1, Tune's own sign to stop."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    trainable = tune.with_resources(tune.with_parameters(_trial, bundle=bundle), per_trial)
    with tempfile.TemporaryDirectory(prefix="study-tune-", ignore_cleanup_errors=True) as scratch:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=DriverSearcher(driver, capacity),
                scheduler=DriverScheduler(driver),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name=driver.space.name,
                storage_path=scratch,
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_LOST_RETRIES),
            ),
        ).fit()


class DriverSearcher(Searcher):
    """Asks the driver for the next trial whenever one more fits, and tells it of trials that Tune gives up."""

    def __init__(self, driver: Driver, capacity: int) -> None:
        super().__init__(metric=None, mode=None)
        self._driver = driver
        self._capacity = capacity
        self._numbers: dict[str, int] = {}

    def suggest(self, trial_id: str) -> Any:
        """Answer a task, None while all places are taken, or that there are no more."""
        if self._driver.is_done:
            return Searcher.FINISHED
        if self._driver.live >= self._capacity:
            return None
        task = self._driver.next_task()
        if task is None:
            return Searcher.FINISHED
        self._numbers[trial_id] = task.number
        return task.to_mapping()

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,  # noqa: ARG002 (the driver was told by the scheduler)
        error: bool = False,
    ) -> None:
        """Tell of a trial that Tune has no more hope for; one that ended in order is not live any more."""
        if error:
            self._driver.lose(self._numbers[trial_id], f"its worker was lost {_LOST_RETRIES + 1} times")

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the record is elsewhere."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""

    def __reduce__(self) -> tuple[object, ...]:
        # Tune pickles its configuration for a restore that we never do; nothing of the driver may go along.
        return (object, ())


class DriverScheduler(FIFOScheduler):
    """Passes every report to the driver and its answer back."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._driver = driver

    def on_trial_result(self, tune_controller: object, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        """Answer whether the trial goes on."""
        message: Report = json.loads(result[_MESSAGE])
        answer = self._driver.receive(trial.config["number"], message)
        return TrialScheduler.STOP if answer == "stop" else TrialScheduler.CONTINUE

    def __reduce__(self) -> tuple[object, ...]:
        return (object, ())


def _trial(config: dict[str, Any], bundle: DataBundle) -> None:
    """What Tune runs in a worker. `tune.report` does not return in a trial that was stopped."""
    run_trial(Task(**config), bundle, lambda report: tune.report({_MESSAGE: json.dumps(report, allow_nan=False)}))


def _trial_name(trial: Trial) -> str:
    return f"{trial.config['number']:04d}"
