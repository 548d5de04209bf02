"""The driver of a study: asks, records, decides. Knows neither ray nor optuna's types.

Whatever happens is recorded first and acted on after, so a driver that dies has never promised what the record lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from study import best
from study.errors import StudyError
from study.launch import failures, retention
from study.launch.away import Away
from study.launch.dealer import Dealer
from study.launch.ending import Ending
from study.launch.messages import Answer, Report, Task
from study.launch.retention import Retention
from study.launch.roster import Roster
from study.launch.source import Source
from study.launch.standing import Standing
from study.limits import Budget, Limits
from study.records import Event, StudyRecord, TrialRecord, has_diverged
from study.store import RecordWriter, StudyFolder


class Driver:
    """Hands out trials until `trials` have been asked, all in all, and answers the reports of their workers.

    Without `trials` it goes on until it is stopped, by its budget or a signal.
    """

    def __init__(
        self,
        folder: StudyFolder,
        writer: RecordWriter,
        source: Source,
        *,
        trials: int | None,
        limits: Limits | None = None,
        budget: Budget | None = None,
        is_fusing: bool = False,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """With `is_fusing` new trials are computed in the form of which stacks are made."""
        self.space = folder.space
        self.name = folder.name
        self.limits = limits or Limits()
        self._metric = self.space.objective.metric
        self._folder = folder
        self._writer = writer
        self._source = source
        self._retention = Retention(folder, self.record, self.limits, expected=self._expected, append=self._append)
        self._standing = Standing(self.record, goal=self.space.objective.goal)
        self.target = trials
        unfinished = [trial.number for trial in writer.record.unfinished]
        self._roster = Roster(
            unfinished,
            alone=[number for number in unfinished if self._was_cut(number, "out_of_memory")],
            apart=[number for number in unfinished if self._was_cut(number, "stack")],
        )
        self._dealer = Dealer(
            folder,
            self.record,
            source,
            self._roster,
            self.limits,
            append=self._append,
            trials=trials,
            is_fusing=is_fusing,
        )
        self._failed: list[TrialRecord] = []  # in a row
        self._trained = self.record.trained
        self._on_event = on_event
        self._away = Away(folder)
        self.ending = Ending(budget or Budget(), grace_seconds=self.limits.grace_seconds)
        """Whether, and why, the study is to end early."""

    @property
    def record(self) -> StudyRecord:
        """The record as of the last event."""
        return self._writer.record

    @property
    def live(self) -> int:
        """How many trials are handed out and have not ended."""
        return len(self._roster.live)

    @property
    def is_over(self) -> bool:
        """Whether nothing runs, and nothing more will be handed out."""
        return not self.live and (self.ending.reason is not None or not self._dealer.has_more)

    @property
    def is_complete(self) -> bool:
        """Whether all that was asked for has ended."""
        return not self.live and not self._dealer.has_more

    def make_good(self) -> None:
        """Do what an earlier driver decided and died before doing: bring home, publish the best, delete what is over."""
        self._away.bring_all_home(self.record)
        best.refresh(self._folder, self._standing.best)
        self._retention.sweep()

    def note(self, text: str) -> None:
        """Record what a person should know."""
        self._append("note", None, text=text)

    def next_task(self) -> Task | None:
        """The next trial, interrupted ones first; None while none may begin."""
        return next(iter(self.next_tasks(1)), None)

    def next_tasks(self, most: int) -> list[Task]:
        """The next trials, at most so many, all of which can be trained as one stack; none while none may begin."""
        tasks: list[Task] = []
        while len(tasks) < most and (number := self._next(like=tasks[0].number if tasks else None)) is not None:
            self._roster.hand_out(number)
            tasks.append(self._dealer.task(number))
        return tasks

    def receive(self, number: int, report: Report) -> Answer:
        """Record what a worker tells, and answer whether its trial goes on."""
        if number not in self._roster.live:
            return "stop"  # the trial has ended; its worker has not heard yet
        fields = {name: value for name, value in report.items() if name not in ("event", "history")}
        kind = report["event"]
        if kind == "started":
            self._roster.start(number)
            self._append("started", number, **fields)
            answer = self._fill_in(number, fields["attempt"], report["history"])
            return answer if answer == "stop" else self._stop_if_stopping(number)
        if kind == "epoch":
            return self._receive_epoch(number, fields)
        if kind == "finished":
            self._complete(number, **fields)
        else:
            self._receive_failure(number, fields)
        return "stop"

    def lose(self, number: int, message: str, *, out_of_memory: bool = False) -> None:
        """Record that a trial's worker is lost, and have the trial go on with another one as often as the limits allow."""
        if number not in self._roster.live:
            return
        trial = self.record.trials[number]
        limit, is_of_stack = self.limits.trial_timeout_seconds, trial.fused > 1
        if failures.has_hung(self._folder.layout.trial(number)):
            self._blame(number, "timed_out", f"hung beyond {limit:g} s; stacks tell where", is_of_stack=is_of_stack)
        elif (self._away.is_used or is_of_stack) and limit is not None and self._roster.seconds(number) > limit:
            # where, only its node knows, or the first of its stack
            self._blame(number, "timed_out", f"hung beyond {limit:g} s", is_of_stack=is_of_stack)
        elif out_of_memory:
            self._run_out_of_memory(number, message)
        elif trial.interruptions["lost"] >= self.limits.lost_retries:
            self._fail(number, "lost", f"{message}; its worker was lost {self.limits.lost_retries + 1} times")
        else:
            self._interrupt(number, "lost", message)

    def tick(self) -> bool:
        """Look at the clock; answer whether to end at once, whatever still runs. To be called several times a second."""
        self.ending.look_at_clock()
        if self.ending.reason is None:
            return False
        for number in self._roster.not_started:
            self._interrupt(number, "stopped")
        return not self.live or self.ending.is_overdue

    def close(self) -> str:
        """Record that the driver ends, and which trials it leaves interrupted; answer why it ends."""
        reason = "finished" if self.is_complete else self.ending.reason or "failed"
        error = self.ending.error
        message = {} if error is None else {"message": failures.first_line(error)}
        try:
            for number in sorted(self._roster.live):
                self._interrupt(number, "stopped")
            self._append("ended", None, reason=reason, **message)
        except StudyError as caught:  # nothing can be written: the record stays as it is, and tells the same
            self.ending.give_up(caught)
        return reason

    def _next(self, *, like: int | None) -> int | None:
        """The next trial, or the next that can be trained as one stack with another; None while none may begin."""
        self._prune_condemned()
        if self.ending.reason or not self._dealer.has_more or not self._may_begin():
            return None
        number = self._dealer.choose(like=like)
        if number is None or self._retention.has_room(number, self._roster.live):
            return number
        if not self.live:
            self.ending.give_up(self._retention.too_small(number))
        return None

    def _may_begin(self) -> bool:
        """Whether one more trial may run beside those that do."""
        if self.ending.has_epochs_for(self.live + 1, trained=self._trained):
            return self._roster.has_place
        if not self.live:
            self.ending.stop("budget")
        return False

    def _prune_condemned(self) -> None:
        """End trials that were to be pruned when their driver died between the epoch and the verdict."""
        for number in filter(self._source.is_condemned, self._roster.waiting):
            if self.record.trials[number].last_epoch < self._epochs_asked(number):
                self._prune(number, self.record.trials[number].attempt)

    def _fill_in(self, number: int, attempt: int, history: list[dict[str, Any]]) -> Answer:
        """Record epochs that a checkpoint knows and the record missed, because the driver died before the worker."""
        known = self.record.trials[number].last_epoch
        for metrics in history[known:]:
            if self._receive_epoch(number, {"attempt": attempt, **metrics, "filled_in": True}) == "stop":
                return "stop"
        return "continue"

    def _receive_epoch(self, number: int, fields: dict[str, Any]) -> Answer:
        self._append("epoch", number, **fields)
        self._trained += 1
        epoch, is_last = fields["epoch"], fields["epoch"] >= self._epochs_asked(number)
        if has_diverged(fields, self._metric):
            self._fail(number, "diverged", f"the loss of epoch {epoch} is not finite")
            return "stop"
        should_prune = self._source.report(number, epoch, fields[self._metric])
        if is_last:
            return "continue"
        if should_prune:
            self._prune(number, fields["attempt"])
            return "stop"
        limit = self.limits.trial_timeout_seconds
        if limit is not None and self._roster.seconds(number) > limit:
            self._fail(number, "timed_out", f"took longer than {limit:g} s")
            return "stop"
        if not self.ending.has_epochs_for(self.live, trained=self._trained):
            self.ending.stop("budget")
        return self._stop_if_stopping(number)

    def _stop_if_stopping(self, number: int) -> Answer:
        if self.ending.reason is None:
            return "continue"
        self._interrupt(number, "stopped")
        return "stop"

    def _receive_failure(self, number: int, fields: Mapping[str, Any]) -> None:
        """Act on a worker's error by its class."""
        reason, message = fields["reason"], fields["message"]
        if reason == "out_of_memory":
            self._run_out_of_memory(number, message)
        elif reason == "disk_full":
            self._interrupt(number, "disk_full", message)
            self.ending.give_up(failures.disk_full(self._folder, number, message))
        elif reason == "other_software":
            self._interrupt(number, "stopped", message)
            self.ending.give_up(failures.other_software(self._folder, message))
        else:
            is_of_stack = fields.get("fused", 1) > 1
            self._blame(number, reason, message, attempt=fields["attempt"], is_of_stack=is_of_stack)

    def _blame(self, number: int, reason: str, message: str, *, attempt: int | None = None, is_of_stack: bool) -> None:
        """Fail a trial; one of a stack, any of which may be to blame, is first run again by itself."""
        if is_of_stack and not self._was_cut(number, "stack"):
            self._interrupt(number, "stack", message, apart=True)
        else:
            self._fail(number, reason, message, attempt=attempt)

    def _run_out_of_memory(self, number: int, message: str) -> None:
        """The first time the trial is run again, with nothing beside it; the second time it fails."""
        if self._was_cut(number, "out_of_memory"):
            self._fail(number, "out_of_memory", f"{message}; also when it ran alone")
        else:
            self._interrupt(number, "out_of_memory", message, alone=True)

    def _was_cut(self, number: int, reason: str) -> bool:
        return self.record.trials[number].interruptions[reason] > 0

    def _interrupt(self, number: int, reason: str, message: str | None = None, **how: bool) -> None:
        """Record that an attempt is over and its trial is not: it is the next to be handed out, by this driver or another."""
        told = {} if message is None else {"message": message}
        self._append("interrupted", number, attempt=self.record.trials[number].attempt, reason=reason, **told)
        self._roster.put_back(number, **how)

    def _prune(self, number: int, attempt: int) -> None:
        best_epoch = self.record.trials[number].best_of(self.space.objective)
        self._end(number, "pruned", attempt=attempt, value=best_epoch[self._metric], epoch=best_epoch["epoch"])

    def _complete(self, number: int, attempt: int, **test_scores: float | None) -> None:
        best_epoch = self.record.trials[number].best_of(self.space.objective)
        checkpoint = self._folder.layout.trial(number).model(attempt)
        self._end(
            number,
            "completed",
            attempt=attempt,
            value=best_epoch[self._metric],
            epoch=best_epoch["epoch"],
            checkpoint=checkpoint.relative_to(self._folder.layout.root).as_posix(),
            **test_scores,
        )

    def _fail(self, number: int, reason: str, message: str, *, attempt: int | None = None) -> None:
        trial = self.record.trials[number]
        self._end(number, "failed", attempt=attempt or trial.attempt, reason=reason, message=message)
        if reason == "diverged":  # a finding about the configuration, no failure of the study
            return
        self._failed.append(trial)
        if len(self._failed) >= self.limits.max_failures:
            self.ending.give_up(failures.too_many(self._folder, self._failed))

    def _end(self, number: int, kind: str, **fields: Any) -> None:
        event = self._writer.append(kind, number, **fields)
        self._roster.end(number)
        self._away.bring_home(number)
        self._standing.end(self.record.trials[number])
        if kind == "completed":
            self._source.complete(number, fields["value"])
            best.refresh(self._folder, self._standing.best)
        elif kind == "pruned":
            self._source.prune(number)
        else:
            self._source.fail(number)
        if kind != "failed":
            self._failed.clear()
        self._retention.after(self.record.trials[number])
        self._notify(event)

    def _append(self, kind: str, number: int | None, /, **fields: Any) -> None:
        self._notify(self._writer.append(kind, number, **fields))

    def _notify(self, event: Event) -> None:
        if self._on_event is not None:
            self._on_event(event)

    def _expected(self, number: int) -> int:
        return retention.expected_bytes(self.space.config(self.record.trials[number].params))

    def _epochs_asked(self, number: int) -> int:
        return self.space.epochs(self.record.trials[number].params)
