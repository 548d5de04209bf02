"""One trial of a record: its state, what may happen to it, and what that changes. Standard library only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from colournet.objective import Objective
from study.errors import RecordError
from study.fields import TEST_SCORES

Event = Mapping[str, Any]

STATES = ("completed", "pruned", "failed", "interrupted", "running")
ENDED = ("completed", "pruned", "failed")
_NOTHING: Event = {"seconds": 0.0}


@dataclass
class TrialRecord:
    """One trial, as the events so far tell it."""

    number: int
    params: dict[str, Any]
    seed: int
    asked: str
    """When it was asked, UTC, ISO 8601; so are `started` and `ended`."""
    state: str = "running"
    """One of `STATES`; a trial that was asked and not yet started counts as running."""
    attempt: int = 0
    """Number of the latest attempt, 0 before the first."""
    started: str | None = None
    ended: str | None = None
    host: str | None = None
    device: str | None = None
    parameters: int | None = None
    """Number of trained weights of its network."""
    fused: int = 1
    """How many trials were trained as one stack with it in the latest attempt, itself included."""
    epochs: dict[int, Event] = field(default_factory=dict)
    """The `epoch` event of each epoch; where attempts repeat one, the later attempt's."""
    trained: int = 0
    """Epochs that were trained in all, those that a later attempt repeated included."""
    seconds: float = 0.0
    """Seconds spent in the epochs that count."""
    attempt_epoch: int | None = None
    """The last epoch of the latest attempt, None before its first."""
    value: float | None = None
    """The objective at the best epoch; None for a failed trial or one that is still under way."""
    best_epoch: int | None = None
    test: Mapping[str, float | None] = field(default_factory=dict)
    """The scores of the best epoch's model on the test images, by `TEST_SCORES`; empty where it was not scored."""
    checkpoint: str | None = None
    """The best epoch's model, relative to the study's folder; None where it was not kept."""
    reason: str | None = None
    """Why the trial failed or was last interrupted; None where it was not, or has been started since."""
    message: str | None = None
    interruptions: Counter[str] = field(default_factory=Counter)
    """How often its attempts were interrupted, by reason."""
    enqueued: int | None = None
    """Which of the space's known points it was asked for, or None."""
    form: str = "reference"
    """How its network is computed: see `TrainConfig.form`. A record of before there was a choice names none."""

    @classmethod
    def begin(cls, event: Event) -> TrialRecord:
        """The trial that an `asked` event begins."""
        made = cls(event["trial"], dict(event["params"]), event["seed"], event["time"])
        made.enqueued = event.get("enqueued")
        made.form = event.get("form", made.form)
        return made

    def check(self, event: Event) -> None:
        """Raise `RecordError` if an event may not come now."""
        kind = event["event"]
        if self.state in ENDED and kind != "discarded":
            raise RecordError(f"trial {self.number} is {kind!r} after it was {self.state}")
        if kind in _CHECKS:
            _CHECKS[kind](self, event)

    def apply(self, event: Event) -> None:
        """Fold an event that may come now."""
        _CHANGES[event["event"]](self, event)

    def best_of(self, objective: Objective) -> Event:
        """The `epoch` event with the best value of the objective; of equals, the first."""
        events = [self.epochs[epoch] for epoch in sorted(self.epochs)]
        return events[objective.best_index([event[objective.metric] for event in events])]

    @property
    def last_epoch(self) -> int:
        """How many epochs are recorded, 0 for none."""
        return max(self.epochs, default=0)


def _check_start(trial: TrialRecord, event: Event) -> None:
    if event["attempt"] <= trial.attempt:
        raise RecordError(f"trial {trial.number} starts attempt {event['attempt']} after attempt {trial.attempt}")


def _start(trial: TrialRecord, event: Event) -> None:
    trial.state, trial.attempt, trial.attempt_epoch = "running", event["attempt"], None
    trial.reason = trial.message = None
    trial.started = trial.started or event["time"]
    trial.host, trial.device, trial.parameters = event["host"], event["device"], event["parameters"]
    trial.fused = event.get("fused", 1)


def _check_epoch(trial: TrialRecord, event: Event) -> None:
    _check_running(trial, event)
    epoch = event["epoch"]
    known_before = trial.last_epoch if trial.attempt_epoch is None else trial.attempt_epoch
    follows = 1 <= epoch <= known_before + 1 if trial.attempt_epoch is None else epoch == known_before + 1
    if not follows:
        raise RecordError(f"trial {trial.number} has epoch {epoch} after epoch {known_before}")


def _add_epoch(trial: TrialRecord, event: Event) -> None:
    repeated = trial.epochs.get(event["epoch"], _NOTHING)
    trial.epochs[event["epoch"]] = event
    trial.seconds += (event["seconds"] or 0.0) - (repeated["seconds"] or 0.0)
    trial.attempt_epoch, trial.trained = event["epoch"], trial.trained + 1


def _check_completion(trial: TrialRecord, event: Event) -> None:
    _check_running(trial, event)
    _check_value(trial, event)


def _complete(trial: TrialRecord, event: Event) -> None:
    _end_at_epoch(trial, event, "completed")
    trial.checkpoint = event["checkpoint"]
    trial.test = {name: event[name] for name in TEST_SCORES if name in event}


def _prune(trial: TrialRecord, event: Event) -> None:
    _end_at_epoch(trial, event, "pruned")


def _check_value(trial: TrialRecord, event: Event) -> None:
    if event["epoch"] not in trial.epochs:
        raise RecordError(f"trial {trial.number} is {event['event']} at epoch {event['epoch']}, which is not recorded")


def _end_at_epoch(trial: TrialRecord, event: Event, state: str) -> None:
    trial.state, trial.ended = state, event["time"]
    trial.value, trial.best_epoch = event["value"], event["epoch"]


def _fail(trial: TrialRecord, event: Event) -> None:
    trial.state, trial.ended = "failed", event["time"]
    trial.reason, trial.message = event["reason"], event["message"]


def _interrupt(trial: TrialRecord, event: Event) -> None:
    trial.state = "interrupted"
    trial.reason, trial.message = event.get("reason"), event.get("message")
    if trial.reason is not None:
        trial.interruptions[trial.reason] += 1


def _check_discard(trial: TrialRecord, event: Event) -> None:
    if trial.checkpoint != event["checkpoint"]:
        raise RecordError(f"trial {trial.number} has no checkpoint {event['checkpoint']!r} to be discarded")


def _discard(trial: TrialRecord, _: Event) -> None:
    trial.checkpoint = None


def _check_running(trial: TrialRecord, event: Event) -> None:
    """Only the latest attempt speaks for a trial, and only while it runs."""
    if trial.state != "running" or trial.attempt == 0 or event["attempt"] != trial.attempt:
        raise RecordError(
            f"trial {trial.number}, {trial.state} in attempt {trial.attempt}, "
            f"is {event['event']!r} in attempt {event['attempt']}"
        )


_CHECKS = {
    "started": _check_start,
    "epoch": _check_epoch,
    "completed": _check_completion,
    "pruned": _check_value,
    "discarded": _check_discard,
}
_CHANGES = {
    "started": _start,
    "epoch": _add_epoch,
    "completed": _complete,
    "pruned": _prune,
    "failed": _fail,
    "interrupted": _interrupt,
    "discarded": _discard,
}
