"""The record: its events, and the state that they add up to. Standard library only.

A trial is *asked*, *started* (once per attempt), has *epochs*, and ends once as *completed*, *pruned* or *failed*. An
*interrupted* trial has not ended: it is started again, as a new attempt, at once or when the study is resumed.
`StudyRecord.apply` enforces this for the writer and folds the same events for every reader; docs/results-format.md has it
in prose.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from study.errors import RecordError
from study.fields import STUDY_FIELDS, TEST_SCORES, check_fields

Event = Mapping[str, Any]

STATES = ("completed", "pruned", "failed", "interrupted", "running")
ENDED = ("completed", "pruned", "failed")

_DAMAGED = "the file was changed or damaged after it was written; restore it from a copy"


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
    epochs: dict[int, Event] = field(default_factory=dict)
    """The `epoch` event of each epoch; where attempts repeat one, the later attempt's."""
    trained: int = 0
    """Epochs that were trained in all, those that a later attempt repeated included."""
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

    @classmethod
    def begin(cls, event: Event) -> TrialRecord:
        """The trial that an `asked` event begins."""
        made = cls(event["trial"], dict(event["params"]), event["seed"], event["time"])
        made.enqueued = event.get("enqueued")
        return made

    @property
    def last_epoch(self) -> int:
        """How many epochs are recorded, 0 for none."""
        return max(self.epochs, default=0)

    @property
    def seconds(self) -> float:
        """Seconds spent in the epochs that count."""
        return sum(event["seconds"] or 0.0 for event in self.epochs.values())


@dataclass
class StudyRecord:
    """All trials of a study, as the events so far tell them."""

    trials: dict[int, TrialRecord] = field(default_factory=dict)
    target: int = 0
    """How many trials were asked for, all in all, by the latest launch or resume."""
    ended: str | None = None
    """Why the latest driver ended (`finished`, `interrupted`, `terminated`, `failed`), None while it has not."""
    sessions: int = 0
    """How many drivers have written this record."""
    message: str | None = None
    """What there was to say of that end."""
    spaces: list[str] = field(default_factory=list)
    """The TOML of the search spaces that sessions began with, where it was new; the last one is in force."""
    limits: dict[str, Any] = field(default_factory=dict)
    """The limits of the latest session, as `study.limits.Limits` reads them."""
    session: Event | None = None
    """The `launched` or `resumed` event of the latest session."""
    notes: list[str] = field(default_factory=list)
    torn_bytes: int = 0
    """Length of a torn last line, which was not read; 0 where the record is whole."""
    is_live: bool = False
    """Whether a driver was writing when the record was read."""

    @classmethod
    def read(cls, lines: Iterable[bytes], *, source: str) -> StudyRecord:
        """Fold the lines of a record. One torn last line is left out and its length kept in `torn_bytes`.

        Raises `RecordError` naming `source` and the line for anything else that is not a valid event.
        """
        record = cls()
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                record.torn_bytes = len(line)
                break
            try:
                record.apply(parse(line))
            except RecordError as error:
                raise RecordError(f"{source}, line {number}: {error.message}", hint=error.hint or _DAMAGED) from error
        return record

    def apply(self, event: Event) -> None:
        """Fold one more event. Raises `RecordError`, and changes nothing, if it may not come now."""
        check_fields(event)
        kind = event["event"]
        if kind in STUDY_FIELDS:
            self._apply_to_study(kind, event)
            return
        number = event["trial"]
        if kind == "asked":
            if number != len(self.trials):
                raise RecordError(f"trial {number} was asked where {len(self.trials)} is next")
            self.trials[number] = TrialRecord.begin(event)
            self.target = max(
                self.target, len(self.trials)
            )  # a session with a budget may ask for as many as that pays for
            return
        trial = self.trials.get(number)
        if trial is None:
            raise RecordError(f"trial {number} is {kind!r} but was never asked")
        if trial.state in ENDED and kind != "discarded":
            raise RecordError(f"trial {number} is {kind!r} after it was {trial.state}")
        _TRANSITIONS[kind](trial, event)

    def trial(self, number: int) -> TrialRecord:
        """The trial called `number`. Raises `RecordError` if there is none."""
        if number not in self.trials:
            raise RecordError(f"there is no trial {number}", hint=f"there are {len(self.trials)}, from 0")
        return self.trials[number]

    def count(self, state: str) -> int:
        """How many trials are in `state`."""
        return sum(trial.state == state for trial in self.trials.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many trials are in each state."""
        return {state: self.count(state) for state in STATES}

    @property
    def trained(self) -> int:
        """Epochs that were trained in all, repeated ones included."""
        return sum(trial.trained for trial in self.trials.values())

    @property
    def unfinished(self) -> list[TrialRecord]:
        """The trials that have not ended, in order of their numbers."""
        return [trial for trial in self.trials.values() if trial.state not in ENDED]

    def _apply_to_study(self, kind: str, event: Event) -> None:
        if kind in ("launched", "resumed"):
            self.target, self.ended, self.message = event["trials"], None, None
            self.session, self.sessions = event, self.sessions + 1
            self.limits = dict(event.get("limits", self.limits))
            if "space" in event:
                self.spaces.append(event["space"])
            self._interrupt_orphans()
        elif kind == "ended":
            self.ended, self.message = event["reason"], event.get("message")
        else:
            self.notes.append(event["text"])

    def _interrupt_orphans(self) -> None:
        """What still runs when a new driver starts was left behind by one that died."""
        for trial in self.unfinished:
            trial.state = "interrupted"


def parse(line: bytes) -> Event:
    """Read one line. Raises `RecordError` if it is not a JSON object."""
    try:
        event = json.loads(line)
    except ValueError as error:
        raise RecordError(f"not JSON: {line[:60]!r}") from error
    except RecursionError as error:
        raise RecordError("nested too deeply") from error
    if not isinstance(event, dict):
        raise RecordError(f"not a JSON object: {line[:60]!r}")
    return event


def serialize(event: Event) -> bytes:
    """The line of an event. Raises ValueError for a number that is not finite, which JSON does not know."""
    return json.dumps(event, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def has_diverged(epoch: Event, metric: str) -> bool:
    """Whether a loss of an `epoch` event, or its objective, is not a finite number."""
    return any(epoch[name] is None for name in ("train_loss", "val_loss", metric))


def best_first(trials: Iterable[TrialRecord], *, goal: str) -> Iterator[TrialRecord]:
    """The completed trials from the best value to the worst; of equals, the one with the lower number."""
    completed = [trial for trial in trials if trial.state == "completed" and trial.value is not None]
    sign = 1 if goal == "minimize" else -1
    yield from sorted(completed, key=lambda trial: (sign * (trial.value or 0.0), trial.number))


def _start(trial: TrialRecord, event: Event) -> None:
    if event["attempt"] <= trial.attempt:
        raise RecordError(f"trial {trial.number} starts attempt {event['attempt']} after attempt {trial.attempt}")
    trial.state, trial.attempt, trial.attempt_epoch = "running", event["attempt"], None
    trial.reason = trial.message = None
    trial.started = trial.started or event["time"]
    trial.host, trial.device, trial.parameters = event["host"], event["device"], event["parameters"]


def _add_epoch(trial: TrialRecord, event: Event) -> None:
    _check_running(trial, event)
    epoch = event["epoch"]
    known_before = trial.last_epoch if trial.attempt_epoch is None else trial.attempt_epoch
    follows = 1 <= epoch <= known_before + 1 if trial.attempt_epoch is None else epoch == known_before + 1
    if not follows:
        raise RecordError(f"trial {trial.number} has epoch {epoch} after epoch {known_before}")
    trial.epochs[epoch] = event
    trial.attempt_epoch, trial.trained = epoch, trial.trained + 1


def _complete(trial: TrialRecord, event: Event) -> None:
    _check_running(trial, event)
    _end_at_epoch(trial, event, "completed")
    trial.checkpoint = event["checkpoint"]
    trial.test = {name: event[name] for name in TEST_SCORES if name in event}


def _prune(trial: TrialRecord, event: Event) -> None:
    _end_at_epoch(trial, event, "pruned")


def _end_at_epoch(trial: TrialRecord, event: Event, state: str) -> None:
    if event["epoch"] not in trial.epochs:
        raise RecordError(f"trial {trial.number} is {state} at epoch {event['epoch']}, which is not recorded")
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


def _discard(trial: TrialRecord, event: Event) -> None:
    if trial.checkpoint != event["checkpoint"]:
        raise RecordError(f"trial {trial.number} has no checkpoint {event['checkpoint']!r} to be discarded")
    trial.checkpoint = None


def _check_running(trial: TrialRecord, event: Event) -> None:
    """Only the latest attempt speaks for a trial, and only while it runs."""
    if trial.state != "running" or trial.attempt == 0 or event["attempt"] != trial.attempt:
        raise RecordError(
            f"trial {trial.number}, {trial.state} in attempt {trial.attempt}, "
            f"is {event['event']!r} in attempt {event['attempt']}"
        )


_TRANSITIONS = {
    "started": _start,
    "epoch": _add_epoch,
    "completed": _complete,
    "pruned": _prune,
    "failed": _fail,
    "interrupted": _interrupt,
    "discarded": _discard,
}
