"""The seam to Ray Tune: a searcher that hands out the driver's trials, a scheduler that passes on what workers tell.

One of Tune's trials stands for one of the driver's, or for several that a worker trains as one stack. Tune places them on workers
and reuses their processes. It decides nothing and remembers nothing: a lost trial is handed out again by the driver, Tune's
experiment folder is scratch and its snapshots are never read.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import socket
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher
from ray.tune.stopper import Stopper

from colournet.data import DataBundle
from study.launch import preflight, probe, worker
from study.launch.cluster import Cluster
from study.launch.driver import Driver
from study.launch.gauges import Gauges
from study.launch.groups import Groups, over
from study.launch.messages import Report, Task, TellAll
from study.launch.mirror import run_mirrored
from study.launch.resources import Resources
from study.launch.watching import Watching
from study.launch.worker import warm_up

_MESSAGE = "message"
_TASKS = "tasks"
_GROUP = "group"
_SETTINGS = {
    "TUNE_MAX_PENDING_TRIALS_PG": "1000",  # trials that wait for their process to start: by itself Tune starts one at a time
    "TUNE_GLOBAL_CHECKPOINT_S": str(365 * 24 * 3600),  # its snapshot holds every trial, and nobody reads it
}
_OUT_OF_MEMORY = "running low on memory"  # in the words of ray.exceptions.OutOfMemoryError


def run(driver: Driver, bundle: DataBundle, *, resources: Resources, cluster: Cluster) -> None:
    """Run the driver's trials until it is over, or says that it is to end at once."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    os.environ.update(_SETTINGS)
    software = probe.versions() if cluster.is_shared else None
    groups, watching = Groups(), Watching(driver, cluster, show=Gauges(driver.name).show)
    trainable = tune.with_resources(tune.with_parameters(_trial, bundle=bundle, software=software), _request(resources))
    with tempfile.TemporaryDirectory(prefix="study-tune-", ignore_cleanup_errors=True) as scratch:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=DriverSearcher(driver, cluster, groups, size=resources.fused),
                scheduler=DriverScheduler(driver, groups),
                num_samples=-1,
                reuse_actors=True,
                trial_name_creator=_trial_name,
                trial_dirname_creator=_trial_name,
            ),
            run_config=tune.RunConfig(
                name=driver.space.name,
                storage_path=scratch,
                verbose=0,
                stop=DriverStopper(driver, watching),
                failure_config=tune.FailureConfig(max_failures=0),
            ),
        ).fit()
    _guarded(driver, watching.finish, otherwise=None)


def _request(resources: Resources) -> tune.PlacementGroupFactory:
    """One trial's place: all that it takes, on one node, which is labelled as wanted."""
    if not resources.labels:
        return tune.PlacementGroupFactory([resources.bundle])
    return tune.PlacementGroupFactory([resources.bundle], bundle_label_selector=[dict(resources.labels)])


class DriverSearcher(Searcher):
    """Asks the driver for the next trial, or group of trials, whenever one more fits on the nodes that there are now."""

    def __init__(self, driver: Driver, cluster: Cluster, groups: Groups, *, size: int) -> None:
        super().__init__(metric=None, mode=None)
        self._driver = driver
        self._cluster = cluster
        self._groups = groups
        self._size = size

    def suggest(self, trial_id: str) -> Any:
        """Answer tasks, None while none may begin, or that there are no more."""
        if self._driver.is_over:
            return Searcher.FINISHED
        if self._groups.running >= self._cluster.capacity:
            return None
        tasks: list[Task] = _guarded(self._driver, lambda: self._driver.next_tasks(self._size), otherwise=[])
        if not tasks:
            return None
        self._groups.begin(trial_id, [task.number for task in tasks])
        return {_GROUP: trial_id, _TASKS: [task.to_mapping() for task in tasks]}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:  # noqa: ARG002
        """Forget the group; the scheduler was told how it ended."""
        self._groups.close(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the record is elsewhere."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore."""

    def __reduce__(self) -> tuple[object, ...]:
        # Tune pickles its configuration for a restore that we never do; nothing of the driver may go along.
        return (object, ())


class DriverScheduler(FIFOScheduler):
    """Passes every report to the driver and its answer back, and tells it of lost workers."""

    def __init__(self, driver: Driver, groups: Groups) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._driver = driver
        self._groups = groups

    def choose_trial_to_run(self, tune_controller: object) -> None:
        """None: Tune then starts trials in their order, each in the process that is free or that it has been waiting for.

        A chosen trial would take the first process that is free and have its own, half started, ended: of trials that are
        shorter than a process takes to start, one would run at a time. And all trials would be looked at for each choice.
        """

    def on_trial_result(self, tune_controller: object, trial: Trial, result: dict[str, Any]) -> str:  # noqa: ARG002
        """Answer whether the worker goes on, with at least one of its trials."""
        told: list[tuple[int, Report]] = json.loads(result[_MESSAGE])
        over = _guarded(self._driver, lambda: self._receive(told), otherwise=[number for number, _ in told])
        is_over = _guarded(self._driver, lambda: self._groups.end(trial.trial_id, over), otherwise=True)
        return TrialScheduler.STOP if is_over else TrialScheduler.CONTINUE

    def _receive(self, told: Sequence[tuple[int, Report]]) -> list[int]:
        return [number for number, report in told if self._driver.receive(number, report) == "stop"]

    def on_trial_error(self, tune_controller: object, trial: Trial) -> None:  # noqa: ARG002
        """Tell the driver that the worker of these trials is no more."""
        lost, out_of_memory = self._groups.under_way(trial.trial_id), _OUT_OF_MEMORY in _told(trial)
        message = "its worker was killed, as its node ran out of memory" if out_of_memory else "its worker died"

        def lose() -> None:
            for number in lost:
                self._driver.lose(number, message, out_of_memory=out_of_memory)

        _guarded(self._driver, lose, otherwise=None)

    def __reduce__(self) -> tuple[object, ...]:
        return (object, ())


class DriverStopper(Stopper):
    """Lets the driver look at the clock and at the cluster, and end Tune's loop with whatever still runs."""

    def __init__(self, driver: Driver, watching: Watching) -> None:
        self._driver = driver
        self._watching = watching

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:  # noqa: ARG002 (trials are stopped by reports)
        """Never: a trial is stopped by the answer to its report."""
        return False

    def stop_all(self) -> bool:
        """Whether to end at once; Tune asks after every event, and ten times a second where there are none."""
        return _guarded(self._driver, self._tick, otherwise=True)

    def _tick(self) -> bool:
        self._watching.look()
        return self._driver.tick()

    def __reduce__(self) -> tuple[object, ...]:
        return (object, ())


_T = TypeVar("_T")


def _guarded(driver: Driver, call: Callable[[], _T], *, otherwise: _T) -> _T:
    """Call the driver; an error of its own ends the study and is raised there, where Tune would wrap and lose it."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 (kept whole, raised by the session)
        driver.ending.give_up(error)
        return otherwise


def _trial(config: dict[str, Any], bundle: DataBundle, software: Mapping[str, str | None] | None) -> None:
    """What Tune runs in a worker. `tune.report` does not return where all trials are stopped.

    Where nodes come and go, each worker compares its `software` with the driver's, which a node that joined since has not
    done yet.
    """
    warm_up()
    tasks = [Task(**told) for told in config[_TASKS]]

    def tell(told: Sequence[tuple[int, Report]]) -> Collection[int]:
        tune.report({_MESSAGE: json.dumps(told, allow_nan=False)})
        return over(config[_GROUP]) if len(tasks) > 1 else ()

    def run_here(tasks: Sequence[Task], tell: TellAll) -> None:
        worker.run(tasks, bundle, tell)

    unlike = [] if software is None else probe.differences(_software(), software)
    if unlike:
        message = f"{socket.gethostname()}: {preflight.NOT_OURS}: {'; '.join(unlike)}"
        fields = {"event": "failed", "reason": "other_software", "message": message}
        tell([(task.number, {**fields, "attempt": task.attempts}) for task in tasks])
    elif all(task.storage is None for task in tasks):
        run_here(tasks, tell)
    else:
        run_mirrored(tasks, run_here, tell)


@functools.cache
def _software() -> Mapping[str, str | None]:
    """That of this process, which lives for many trials."""
    return probe.versions()


def _told(trial: Trial) -> str:
    """What Tune wrote of a trial's error; it keeps the error itself only of some kinds."""
    try:
        return Path(trial.error_file or "").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _trial_name(trial: Trial) -> str:
    return f"{trial.config[_TASKS][0]['number']:04d}"
