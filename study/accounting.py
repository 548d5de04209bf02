"""Where a study's epochs went, and what the rest of it will cost. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from study.records import ENDED, StudyRecord, TrialRecord


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


def spent(record: StudyRecord) -> Spent:
    """Count the epochs of a study."""

    def epochs_of(*states: str) -> int:
        return sum(len(trial.epochs) for trial in record.trials.values() if trial.state in states)

    return Spent(
        completed=epochs_of("completed"),
        pruned=epochs_of("pruned"),
        failed=epochs_of("failed"),
        unfinished=epochs_of("running", "interrupted"),
        repeated=sum(trial.trained - len(trial.epochs) for trial in record.trials.values()),
    )


def forecast(record: StudyRecord) -> Forecast | None:
    """Estimate the rest from the trials that have ended; None where nothing is left, or none has ended yet."""
    ended = [trial for trial in record.trials.values() if trial.state in ENDED and trial.epochs]
    left = record.target - sum(record.count(state) for state in ENDED)
    epochs = sum(len(trial.epochs) for trial in ended)
    if left <= 0 or not ended:
        return None
    under_way = sum(len(trial.epochs) for trial in record.unfinished)
    epochs_left = max(left * epochs / len(ended) - under_way, 0.0)
    worker_seconds = epochs_left * _seconds(ended) / epochs
    workers = max(record.session["workers"], 1) if record.session else 1
    return Forecast(
        trials=left,
        epochs=epochs_left,
        worker_seconds=worker_seconds,
        seconds=worker_seconds / min(workers, left),
    )


def _seconds(trials: list[TrialRecord]) -> float:
    return sum(trial.seconds for trial in trials)
