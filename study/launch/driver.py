"""The driver of a study: asks, records, decides. Knows neither ray nor optuna's types.

Whatever happens is recorded first and acted on after, so a driver that dies has never promised what the record lacks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from study import best
from study.launch.messages import Answer, Report, Task
from study.launch.optimizer import Optimizer
from study.records import Event, StudyRecord, has_diverged
from study.store import RecordWriter, StudyFolder


class Driver:
    """Hands out trials until `trials` have been asked, all in all, and answers the reports of their workers."""

    def __init__(
        self,
        folder: StudyFolder,
        writer: RecordWriter,
        optimizer: Optimizer,
        *,
        trials: int,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.space = folder.space
        self._metric = self.space.objective.metric
        self._folder = folder
        self._writer = writer
        self._optimizer = optimizer
        self._target = trials
        self._waiting = deque(trial.number for trial in writer.record.unfinished)
        self._live: set[int] = set()
        self._on_event = on_event
        self.stopping = False
        """Set to hand out no more trials."""

    @property
    def record(self) -> StudyRecord:
        """The record as of the last event."""
        return self._writer.record

    @property
    def live(self) -> int:
        """How many trials are handed out and have not ended."""
        return len(self._live)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing more to hand out."""
        return self.stopping or (not self._waiting and len(self.record.trials) >= self._target)

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for has ended."""
        return not self._waiting and not self._live and len(self.record.trials) >= self._target

    def next_task(self) -> Task | None:
        """The next trial, interrupted ones first; None if there is none."""
        self._prune_condemned()
        if self.is_done:
            return None
        number = self._waiting.popleft() if self._waiting else self._ask()
        self._live.add(number)
        trial = self.record.trials[number]
        return Task(
            number=number,
            folder=str(self._folder.layout.trial(number).root.resolve()),
            config=self.space.config(trial.params, seed=trial.seed).to_mapping(),
            metric=self.space.objective.metric,
            goal=self.space.objective.goal,
        )

    def receive(self, number: int, report: Report) -> Answer:
        """Record what a worker tells, and answer whether its trial goes on."""
        if number not in self._live:
            return "stop"  # the trial has ended; its worker has not heard yet
        fields = {name: value for name, value in report.items() if name not in ("event", "history")}
        kind = report["event"]
        if kind == "started":
            self._append("started", number, **fields)
            return self._fill_in(number, fields["attempt"], report["history"])
        if kind == "epoch":
            return self._receive_epoch(number, fields)
        if kind == "finished":
            self._complete(number, fields["attempt"])
        else:
            self._end(number, "failed", **fields)
        return "stop"

    def lose(self, number: int, message: str) -> None:
        """Record that a trial's worker is lost for good."""
        if number in self._live:
            attempt = self.record.trials[number].attempt
            self._end(number, "failed", attempt=attempt, reason="lost", message=message)

    def close(self, reason: str) -> None:
        """Record that the driver ends, and which trials it leaves interrupted."""
        for number in sorted(self._live):
            self._append("interrupted", number, attempt=self.record.trials[number].attempt)
        self._live.clear()
        self._append("ended", None, reason=reason)

    def _ask(self) -> int:
        number, params = self._optimizer.ask()
        self._append("asked", number, params=params, seed=self.space.trial_seed(number))
        return number

    def _prune_condemned(self) -> None:
        """End trials that were to be pruned when their driver died between the epoch and the verdict."""
        for number in [number for number in self._waiting if self._optimizer.is_condemned(number)]:
            if self.record.trials[number].last_epoch < self._epochs_asked(number):
                self._waiting.remove(number)
                self._prune(number, self.record.trials[number].attempt)

    def _fill_in(self, number: int, attempt: int, history: list[dict[str, Any]]) -> Answer:
        """Record epochs that a checkpoint knows and the record missed, because the driver died before the worker."""
        known = self.record.trials[number].epochs
        for metrics in history:
            if metrics["epoch"] not in known:
                answer = self._receive_epoch(number, {"attempt": attempt, **metrics, "filled_in": True})
                if answer == "stop":
                    return answer
        return "continue"

    def _receive_epoch(self, number: int, fields: dict[str, Any]) -> Answer:
        self._append("epoch", number, **fields)
        epoch = fields["epoch"]
        if has_diverged(fields, self._metric):
            message = f"the loss of epoch {epoch} is not finite"
            self._end(number, "failed", attempt=fields["attempt"], reason="diverged", message=message)
            return "stop"
        should_prune = self._optimizer.report(number, epoch, fields[self._metric])
        if should_prune and epoch < self._epochs_asked(number):
            self._prune(number, fields["attempt"])
            return "stop"
        return "continue"

    def _prune(self, number: int, attempt: int) -> None:
        best_epoch = self._best_epoch(number)
        self._end(number, "pruned", attempt=attempt, value=best_epoch[self._metric], epoch=best_epoch["epoch"])

    def _complete(self, number: int, attempt: int) -> None:
        best_epoch = self._best_epoch(number)
        checkpoint = self._folder.layout.trial(number).model(attempt)
        self._end(
            number,
            "completed",
            attempt=attempt,
            value=best_epoch[self._metric],
            epoch=best_epoch["epoch"],
            checkpoint=checkpoint.relative_to(self._folder.layout.root).as_posix(),
        )
        best.refresh(self._folder, self.record)

    def _end(self, number: int, kind: str, **fields: Any) -> None:
        event = self._writer.append(kind, number, **fields)
        self._live.discard(number)
        if kind == "completed":
            self._optimizer.complete(number, fields["value"])
        elif kind == "pruned":
            self._optimizer.prune(number)
        else:
            self._optimizer.fail(number)
        self._notify(event)

    def _append(self, kind: str, number: int | None, /, **fields: Any) -> None:
        self._notify(self._writer.append(kind, number, **fields))

    def _notify(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _epochs_asked(self, number: int) -> int:
        return self.space.config(self.record.trials[number].params).epochs

    def _best_epoch(self, number: int) -> Event:
        """The `epoch` event with the best objective; of equals, the first."""
        epochs = self.record.trials[number].epochs
        events = [epochs[epoch] for epoch in sorted(epochs)]
        return events[self.space.objective.best_index([event[self._metric] for event in events])]
