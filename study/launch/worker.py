"""What a worker does with a trial, or with several of one shape: train, tell of every epoch. Knows neither ray nor optuna."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence

from colournet import optimization
from colournet.config import TrainConfig
from colournet.data import DataBundle
from colournet.errors import DivergedError
from colournet.fused import train_fused
from colournet.metrics import EpochMetrics
from colournet.models import build
from colournet.training import train
from study.launch import memory, trial_log
from study.launch.attempt import Attempt
from study.launch.messages import Report, Task, Tell, TellAll


@functools.cache
def warm_up() -> None:
    """Load what torch loads with a process's first optimizer, about a second's worth, before there is a trial to wait for it."""
    config = TrainConfig(num_filters=1)
    optimization.make_optimizer(build(config), config)


def run(tasks: Sequence[Task], bundle: DataBundle, tell: TellAll) -> None:
    """Train a trial by itself, or several of one shape as one stack."""
    if len(tasks) > 1:
        run_stack(tasks, bundle, tell)
        return
    (task,) = tasks

    def tell_of_it(report: Report) -> None:
        tell([(task.number, report)])

    run_trial(task, bundle, tell_of_it)


@memory.released()
def run_trial(task: Task, bundle: DataBundle, tell: Tell) -> None:
    """Train the trial of `task`, from its newest checkpoint if it has one, and tell how it goes.

    All of it is in the trial's log too. Whatever goes wrong in training is told as `failed`; the worker lives on. Only
    an attempt that hangs far beyond its time limit takes its process along. However it ends, nothing of it stays in memory.
    """
    attempt = Attempt(task)
    tell = trial_log.logged(tell, attempt.layout.log)
    try:
        attempt.claim()
        with attempt.watched():
            attempt.prepare()
            tell(attempt.started())
            train(
                attempt.config,
                bundle.for_run(attempt.config),
                on_model=lambda epoch, model: attempt.picture(epoch, model, bundle),
                on_epoch=lambda metrics: tell(attempt.epoch(metrics)),
                resume_from=attempt.checkpoint,
                checkpoint_dir=attempt.folder,
                objective=attempt.objective,
            )
            tell(attempt.finish(bundle))
    except DivergedError as error:
        tell(attempt.failed("diverged", error.message))
    except Exception as error:  # noqa: BLE001 (the boundary of a trial: any error is the trial's, told and logged)
        report = attempt.failed_by(error)
        memory.let_go(error, was_out_of_memory=report["reason"] == "out_of_memory")
        tell(report)


@memory.released()
def run_stack(tasks: Sequence[Task], bundle: DataBundle, tell: TellAll) -> None:
    """Train trials of one shape as one stack, each told of, resumed and ended as `run_trial` does it.

    What goes wrong is told of all that are still under way, as what went wrong with the stack: it names nobody. The time limit of
    the first is watched; all have the same.
    """
    stack = _Stack([Attempt(task) for task in tasks], bundle, tell)
    try:
        for attempt in stack.attempts:
            attempt.claim()
        with stack.attempts[0].watched():
            stack.train()
    except Exception as error:  # noqa: BLE001 (as above)
        reports = {attempt: {**attempt.failed_by(error), **stack.count} for attempt in stack.under_way}
        memory.let_go(error, was_out_of_memory=any(report["reason"] == "out_of_memory" for report in reports.values()))
        stack.end(reports)


class _Stack:
    """Attempts that are trained together, and which of them are still under way."""

    def __init__(self, attempts: Sequence[Attempt], bundle: DataBundle, tell: TellAll) -> None:
        self.attempts = attempts
        self.under_way = list(attempts)
        self.count = {"fused": len(attempts)}
        """What a report of the stack tells beside that of a trial by itself."""
        self._bundle = bundle
        self._tell = tell

    def train(self) -> None:
        """Begin all, train those that are to go on, and end each with its last epoch."""
        for attempt in self.attempts:
            attempt.prepare()
        self._tell_all({attempt: {**attempt.started(), **self.count} for attempt in self.attempts})
        self._finish([attempt for attempt in self.under_way if len(attempt.history) >= attempt.config.epochs])
        members = list(self.under_way)
        if not members:
            return

        def on_epochs(measured: Mapping[int, EpochMetrics]) -> Collection[int]:
            self._tell_all({members[place]: members[place].epoch(metrics) for place, metrics in measured.items()})
            ends = [place for place, metrics in measured.items() if metrics.epoch == members[place].config.epochs]
            self._finish([members[place] for place in ends if members[place] in self.under_way])
            return [place for place, attempt in enumerate(members) if attempt not in self.under_way]

        train_fused(
            [attempt.config for attempt in members],
            self._bundle.for_run(members[0].config),
            on_epochs=on_epochs,
            on_model=lambda place, epoch, model: members[place].picture(epoch, model, self._bundle),
            resume_from={
                place: found.checkpoint for place, found in enumerate(members) if found.checkpoint is not None
            },
            checkpoint_dirs={place: attempt.folder for place, attempt in enumerate(members)},
            objective=members[0].objective,
        )

    def end(self, reports: Mapping[Attempt, Report]) -> None:
        """Tell how attempts ended."""
        self.under_way = [attempt for attempt in self.under_way if attempt not in reports]
        self._tell_all(reports)

    def _finish(self, attempts: Sequence[Attempt]) -> None:
        """End those that have trained all their epochs."""
        self.end({attempt: attempt.finish(self._bundle) for attempt in attempts})

    def _tell_all(self, reports: Mapping[Attempt, Report]) -> None:
        """Log and tell; who is to stop is no longer under way."""
        if not reports:
            return
        for attempt, report in reports.items():
            trial_log.write_report(attempt.layout.log, report)
        try:
            stopped = self._tell([(attempt.task.number, report) for attempt, report in reports.items()])
        except SystemExit:  # how Tune ends trials that are all to stop
            self._stop(self.under_way)
            raise
        self._stop([attempt for attempt in self.under_way if attempt.task.number in stopped])

    def _stop(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            trial_log.write_stop(attempt.layout.log, attempt.number)
        self.under_way = [attempt for attempt in self.under_way if attempt not in attempts]
