"""The record: its events, and the state that they add up to. Standard library only.

A trial is *asked*, *started* (once per attempt), has *epochs*, and ends once as *completed*, *pruned* or *failed*. An
*interrupted* trial has not ended: it is started again, as a new attempt, at once or when the study is resumed.
`StudyRecord.apply` enforces this for the writer and folds the same events for every reader; docs/results-format.md has it
in prose.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from study.errors import RecordError
from study.fields import STUDY_FIELDS, check_fields
from study.trials import ENDED, STATES, Event, TrialRecord
from study.worker_time import WorkerTime

__all__ = [
    "ENDED",
    "STATES",
    "Event",
    "StudyRecord",
    "TrialRecord",
    "best_first",
    "has_diverged",
    "parse",
    "serialize",
]

_JSON = json.JSONDecoder()
_DAMAGED = "the file was changed or damaged after it was written; restore it from a copy"


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
    worker_seconds: float = 0.0
    """Time that workers spent in epochs, those that a later attempt repeated included."""
    gpu_seconds: float = 0.0
    """The same times the share of a GPU that each took; a whole one where a session did not tell."""
    worker_time: WorkerTime = field(default_factory=WorkerTime)
    """Where workers' time went, spell by spell."""
    next_enqueued: int = 0
    """Which of the space's known points is asked next; each is asked once, ever."""
    notes: list[str] = field(default_factory=list)
    events: int = 0
    """How many events were folded."""
    torn_bytes: int = 0
    """Length of a torn last line, which was not read; 0 where the record is whole."""
    is_live: bool = False
    """Whether a driver was writing when the record was read."""

    @classmethod
    def read(
        cls,
        lines: Iterable[bytes],
        *,
        source: str,
        on_event: Callable[[Event], None] | None = None,
        after: StudyRecord | None = None,
    ) -> StudyRecord:
        """Fold the lines of a record, behind those of `after`, and call `on_event` with each event that was folded.

        One torn last line is left out, its length kept in `torn_bytes`. Raises `RecordError`, naming `source` and line, for
        anything else that is no event.
        """
        record = after or cls()
        for number, line in enumerate(lines, start=record.events + 1):
            if not line.endswith(b"\n"):
                record.torn_bytes = len(line)
                break
            try:
                event = parse(line)
                record.apply(event)
            except RecordError as error:
                raise RecordError(f"{source}, line {number}: {error.message}", hint=error.hint or _DAMAGED) from error
            if on_event is not None:
                on_event(event)
        return record

    def check(self, event: Event) -> None:
        """Raise `RecordError` if an event may not come now."""
        check_fields(event)
        kind = event["event"]
        if kind in STUDY_FIELDS:
            return
        number = event["trial"]
        if kind == "asked":
            self._check_asked(event)
            return
        trial = self.trials.get(number)
        if trial is None:
            raise RecordError(f"trial {number} is {kind!r} but was never asked")
        trial.check(event)

    def apply(self, event: Event) -> None:
        """Fold one more event. Raises `RecordError`, and changes nothing, if it may not come now."""
        self.check(event)
        kind = event["event"]
        if kind in STUDY_FIELDS:
            self._apply_to_study(kind, event)
        elif kind == "asked":
            self.trials[event["trial"]] = TrialRecord.begin(event)
            # a session with a budget asks for as many as that pays for
            self.target = max(self.target, len(self.trials))
            if "enqueued" in event:
                self.next_enqueued = event["enqueued"] + 1
        else:
            self.trials[event["trial"]].apply(event)
            if kind == "epoch":
                self._add_cost(self.trials[event["trial"]], event)
        self.worker_time.apply(event)
        self.events += 1

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
        found = Counter(trial.state for trial in self.trials.values())
        return {state: found[state] for state in STATES}

    @property
    def trained(self) -> int:
        """Epochs that were trained in all, repeated ones included."""
        return sum(trial.trained for trial in self.trials.values())

    @property
    def unfinished(self) -> list[TrialRecord]:
        """The trials that have not ended, in order of their numbers."""
        return [trial for trial in self.trials.values() if trial.state not in ENDED]

    def _check_asked(self, event: Event) -> None:
        number, point = event["trial"], event.get("enqueued")
        if number != len(self.trials):
            raise RecordError(f"trial {number} was asked where {len(self.trials)} is next")
        if point is not None and point != self.next_enqueued:
            raise RecordError(f"trial {number} is known point {point} where {self.next_enqueued} is next")

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

    def _add_cost(self, trial: TrialRecord, epoch: Event) -> None:
        seconds = epoch["seconds"] or 0.0
        self.worker_seconds += seconds
        if trial.device is not None and not trial.device.startswith("cpu"):
            share = (self.session or {}).get("gpus_per_trial") or 1.0
            self.gpu_seconds += share * seconds

    def _interrupt_orphans(self) -> None:
        """What still runs when a new driver starts was left behind by one that died."""
        for trial in self.unfinished:
            trial.state = "interrupted"


def parse(line: bytes) -> Event:
    """Read one line. Raises `RecordError` if it is not a JSON object."""
    try:
        event = _JSON.decode(line.decode())
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
