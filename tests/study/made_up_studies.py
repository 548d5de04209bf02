"""A study without workers: an optimizer is driven as the driver does it, by made-up losses, and the record is kept."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from study.launch.optimizer import Optimizer
from study.records import Event, StudyRecord
from study.space import Space
from tests.study.helpers import epoch, session, started

AT_ONCE = 3


class MadeUpStudy:
    """Trials are asked, trained, lost, retried and ended; each event is recorded first and acted on after.

    `on_event` is called when both are done.
    """

    def __init__(self, space: Space, *, trials: int, on_event: Callable[[MadeUpStudy], None] = lambda _: None) -> None:
        self.space = space
        self.optimizer = Optimizer(space)
        self.record = StudyRecord()
        self.events: list[Event] = []
        self.trials = trials
        """How many are asked, all in all."""
        self._resumed_from: dict[int, int] = {}
        self._on_event = on_event
        self._add("launched", **session(trials))

    def run(self, decide: Callable[[int], int], *, steps: int = 10_000) -> None:
        """Do one thing after another until all trials have ended, or for so many steps; `decide` picks one of so many."""
        for _ in range(steps):
            moves = self._moves()
            if not moves:
                return
            moves[decide(len(moves))]()

    def _moves(self) -> list[Callable[[], object]]:
        """What may happen next; that a trial trains on is the likeliest."""
        moves: list[Callable[[], object]] = []
        unfinished = self.record.unfinished
        if len(self.record.trials) < self.trials and len(unfinished) < AT_ONCE:
            moves.append(self.ask)
        for trial in unfinished:
            if trial.state == "running" and trial.attempt > 0:
                moves += [partial(self.train, trial.number)] * 6
                moves += [partial(self.interrupt, trial.number), partial(self.fail, trial.number)]
            else:
                moves += [partial(self.start, trial.number, lost=lost) for lost in (0, 1, 2)]
        return moves

    def ask(self) -> int:
        """Ask for the next known point, or for what the sampler suggests."""
        index = self.record.next_enqueued
        known = self.space.enqueue[index] if index < len(self.space.enqueue) else None
        number, params = self.optimizer.ask(known)
        named = {} if known is None else {"enqueued": index}
        self._add("asked", number, params=params, seed=self.space.trial_seed(number), **named)
        self._on_event(self)
        return number

    def start(self, number: int, *, lost: int = 0) -> None:
        """Begin an attempt from a checkpoint that lacks the last `lost` epochs."""
        trial = self.record.trials[number]
        self._resumed_from[number] = max(0, trial.last_epoch - lost)
        self._add("started", number, **started(trial.attempt + 1))
        self._on_event(self)

    def train(self, number: int) -> None:
        """Train an epoch and end the trial if it diverges or is to be pruned; after its last one, complete it."""
        trial = self.record.trials[number]
        last = self._resumed_from[number] if trial.attempt_epoch is None else trial.attempt_epoch
        if last == trial.params["epochs"]:
            self._complete(number)
            return
        loss = self._loss(number, last + 1)
        fields = epoch(last + 1, loss, attempt=trial.attempt)
        self._add("epoch", number, **{**fields, self.space.objective.metric: loss})
        should_prune = loss is not None and self.optimizer.report(number, last + 1, loss)
        self._on_event(self)
        if loss is None:
            self.fail(number, "diverged")
        elif should_prune and last + 1 < trial.params["epochs"]:
            self._add("pruned", number, attempt=trial.attempt, value=loss, epoch=last + 1)
            self.optimizer.prune(number)
            self._on_event(self)

    def interrupt(self, number: int) -> None:
        """Lose the worker of a trial."""
        self._add("interrupted", number, attempt=self.record.trials[number].attempt, reason="lost", message="gone")
        self._on_event(self)

    def fail(self, number: int, reason: str = "error") -> None:
        """End a trial without a value."""
        self._add("failed", number, attempt=self.record.trials[number].attempt, reason=reason, message="no")
        self.optimizer.fail(number)
        self._on_event(self)

    def _complete(self, number: int) -> None:
        trial = self.record.trials[number]
        value, best = min((event[self.space.objective.metric], number) for number, event in trial.epochs.items())
        self._add("completed", number, attempt=trial.attempt, value=value, epoch=best, checkpoint="x")
        self.optimizer.complete(number, value)
        self._on_event(self)

    def _loss(self, number: int, epoch: int) -> float | None:
        """One that falls, differs from attempt to attempt, and now and then is no number where an epoch is new."""
        trial = self.record.trials[number]
        generator = random.Random(f"{number}/{epoch}/{trial.attempt}")
        if epoch > trial.last_epoch and generator.random() < 0.1:
            return None
        return 1 / epoch + generator.random() + 30 * float(trial.params["learning_rate"])

    def _add(self, kind: str, trial: int | None = None, /, **fields: Any) -> None:
        named = {} if trial is None else {"trial": trial}
        event = {"event": kind, "time": "2026-01-01T00:00:00.000Z", **named, **fields}
        self.record.apply(event)
        self.events.append(event)


def rebuilt(space: Space, events: Iterable[Event]) -> Optimizer:
    """The optimizer that a restart makes of a record."""
    events, record = list(events), StudyRecord()
    for event in events:
        record.apply(event)
    return Optimizer.rebuild(space, record, events=events)


def knowledge(optimizer: Optimizer) -> list[tuple[object, ...]]:
    """All that the sampler and the pruner reason over; the values that a known point was asked with repeat `params`."""
    return [
        (
            *(t.number, t.state, dict(t.params), dict(t.distributions), t.values, dict(t.intermediate_values)),
            {name: value for name, value in t.system_attrs.items() if name != "fixed_params"},
        )
        for t in optimizer.study.get_trials(deepcopy=False)
    ]


def foresight(optimizer: Optimizer, record: StudyRecord) -> list[object]:
    """What a copy of an optimizer answers to one more report of each unfinished trial, and would ask then.

    Chance is taken out: the sampler's generators, which a restart seeds anew, are seeded alike.
    """
    optimizer = copy.deepcopy(optimizer)
    answers: list[object] = []
    for trial in record.unfinished:
        answers.append(optimizer.is_condemned(trial.number))
        answers.append(optimizer.report(trial.number, trial.last_epoch + 1, (trial.number * 7 % 5) / 4))
    sampler: Any = optimizer.study.sampler
    for part in (sampler, getattr(sampler, "_random_sampler", sampler)):
        part._rng.rng.seed(7)
    return [*answers, optimizer.ask()]
