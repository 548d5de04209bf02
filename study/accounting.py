"""Where a study's epochs went, and what the rest of it will cost. Standard library only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from study.records import ENDED, Event, StudyRecord, TrialRecord
from study.space import Space

_STRETCHES = (timedelta(hours=1), timedelta(hours=8), timedelta(hours=64))
_LEAST_EPOCHS = 3


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Epochs trained, by what became of their trials; together `StudyRecord.trained`."""

    completed: int
    pruned: int
    failed: int
    unfinished: int
    repeated: int
    """Trained once more by a later attempt, since a worker or its checkpoint was lost, whatever became of the trial."""

    @property
    def wasted(self) -> int:
        """Epochs that led to no completed trial, or were trained twice."""
        return self.pruned + self.failed + self.repeated


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What is left of a study, if trials go on as they did."""

    trials: int
    epochs: float
    worker_seconds: float
    """Seconds on one worker."""
    seconds: float
    """Wall-clock seconds with as many workers as the latest session had."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How fast a study goes, over the latest stretch of time."""

    epochs_per_hour: float
    trials_per_hour: float
    """Trials that ended, however they did."""
    seconds: float
    """Length of the stretch."""


def spent(record: StudyRecord) -> Spent:
    """Count the epochs of a study."""
    by_state: Counter[str] = Counter()
    repeated = 0
    for trial in record.trials.values():
        epochs = len(trial.epochs)
        by_state[trial.state] += epochs
        repeated += trial.trained - epochs
    return Spent(
        completed=by_state["completed"],
        pruned=by_state["pruned"],
        failed=by_state["failed"],
        unfinished=by_state["running"] + by_state["interrupted"],
        repeated=repeated,
    )


def forecast(record: StudyRecord, space: Space) -> Forecast | None:
    """Estimate the rest from the trials that have ended; None where nothing is left, or none has ended yet.

    Of a grid that prunes nothing it is known how many epochs the rest will train.
    """
    ended = [trial for trial in record.trials.values() if trial.state in ENDED and trial.epochs]
    left = record.target - sum(record.count(state) for state in ENDED)
    epochs = sum(len(trial.epochs) for trial in ended)
    if left <= 0 or not ended:
        return None
    under_way = sum(len(trial.epochs) for trial in record.unfinished)
    expected = _epochs_of_grid(record, space) or left * epochs / len(ended)
    epochs_left = max(expected - under_way, 0.0)
    worker_seconds = epochs_left * _seconds(ended) / epochs
    workers = max(record.session["workers"], 1) if record.session else 1
    return Forecast(
        trials=left,
        epochs=epochs_left,
        worker_seconds=worker_seconds,
        seconds=worker_seconds / min(workers, left),
    )


def _epochs_of_grid(record: StudyRecord, space: Space) -> int:
    """Epochs of a grid's trials that have not ended; 0 where some of them may be pruned, or the space is no grid."""
    if not space.grid or space.pruner.kind != "none":
        return 0
    over = {trial.number for trial in record.trials.values() if trial.state in ENDED}
    epochs = [space.epochs(point) for point in space.grid]
    return sum(epochs[number % len(epochs)] for number in range(record.target) if number not in over)


def rate(record: StudyRecord, now: datetime) -> Rate | None:
    """The rate of the latest session over the last hour, or over longer where that has hardly an epoch: 8 hours, 64, or all.

    None before its first epoch. Times are those that were recorded, by the driver's clock.
    """
    if record.session is None:
        return None
    began = _time(record.session["time"])
    for begin in (*(max(began, now - stretch) for stretch in _STRETCHES), began):
        recent = [trial for trial in record.trials.values() if trial.ended is None or _time(trial.ended) > begin]
        epochs = sum(_is_after(begin, event) for trial in recent for event in trial.epochs.values())
        if epochs >= _LEAST_EPOCHS or begin == began:
            break
    seconds = (now - begin).total_seconds()
    if not epochs or seconds <= 0:
        return None
    ended = sum(trial.ended is not None for trial in recent)
    return Rate(epochs_per_hour=3600 * epochs / seconds, trials_per_hour=3600 * ended / seconds, seconds=seconds)


def _is_after(begin: datetime, epoch: Event) -> bool:
    """Whether an epoch was trained since; one that was filled in from a checkpoint was trained before."""
    return not epoch.get("filled_in") and _time(epoch["time"]) > begin


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _seconds(trials: list[TrialRecord]) -> float:
    return sum(trial.seconds for trial in trials)
