"""What a long record adds up to, kept beside it, so that a look at it need not read it from the beginning. Standard library only.

The record stays the only truth: a digest tells how much of it was folded, a reader goes on from there, and one that does not
fit the record, or is not there, is as good as none. It lacks the epochs of ended trials, but for their number, what they took,
and the times of those of the latest session, so it is for telling of a study, not for analysing it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from colournet import files
from study.layout import StudyLayout
from study.records import ENDED, Event, StudyRecord, TrialRecord
from study.worker_time import WorkerTime

_FORMAT = 2
_LEAST_BYTES = 4_000_000
"""A record that is shorter is read in no time."""
_GROWTH = 1.25
_MARK_BYTES = 4096
_APART = ("trials", "worker_time", "is_live", "torn_bytes")
"""What of a record is kept otherwise, or not at all."""


class Keeper:
    """Keeps a record's digest as it grows: anew for each quarter that it has grown by, so that all of them cost little."""

    def __init__(self, layout: StudyLayout) -> None:
        self._layout = layout
        self._due = _LEAST_BYTES

    def look(self, record: StudyRecord, size: int, *, is_last: bool = False) -> None:
        """Write the digest of a record of so many bytes if it is due. A disk that refuses it is no matter."""
        if size < (_LEAST_BYTES if is_last else self._due):
            return
        self._due = int(size * _GROWTH)
        with contextlib.suppress(OSError):
            files.write_text(self._layout.digest, _told(record, self._layout.events, size))


def load(path: Path, events: BinaryIO) -> StudyRecord | None:
    """The record as a digest has it; `events` is put behind what was folded for that.

    None, and `events` at its beginning, where there is no digest, or none of just this record.
    """
    try:
        told = json.loads(path.read_bytes())
        if told["format"] == _FORMAT and _mark(events, told["bytes"]) == told["mark"]:
            events.seek(told["bytes"])
            return _record(told)
    except (OSError, ValueError, RecursionError, LookupError, TypeError, AttributeError):
        pass
    events.seek(0)
    return None


class Counted(Mapping[int, Event]):
    """The epochs of an ended trial, of which only the last number and some times are known."""

    def __init__(self, count: int, times: list[str | None]) -> None:
        """`times` are those of the last epochs, None for one that was filled in."""
        self._count = count
        unknown: list[str | None] = [None] * (count - len(times))
        self._times = unknown + times

    def __getitem__(self, epoch: int) -> Event:
        if not 1 <= epoch <= self._count:
            raise KeyError(epoch)
        time = self._times[epoch - 1]
        return {"filled_in": True} if time is None else {"time": time}

    def __iter__(self) -> Iterator[int]:
        return iter(range(1, self._count + 1))

    def __len__(self) -> int:
        return self._count


def _told(record: StudyRecord, events: Path, size: int) -> str:
    since = "" if record.session is None else record.session["time"]
    with events.open("rb") as file:
        mark = _mark(file, size)
    plain = {name: value for name, value in vars(record).items() if name not in _APART}
    trials = [_trial(trial, since) for trial in record.trials.values()]
    time = record.worker_time.to_mapping()
    told = {"format": _FORMAT, "bytes": size, "mark": mark, "record": plain, "worker_time": time, "trials": trials}
    return json.dumps(told, separators=(",", ":"))


def _trial(trial: TrialRecord, since: str) -> dict[str, Any]:
    """A trial's fields; those at their defaults are left out."""
    told = {
        name: value for name, value in vars(trial).items() if name != "epochs" and value != _DEFAULTS.get(name, ...)
    }
    if trial.state not in ENDED:
        return {**told, "epochs": list(trial.epochs.values())}
    times = [
        None if event.get("filled_in") else event["time"] for event in trial.epochs.values() if _is_since(event, since)
    ]
    return {**told, "count": len(trial.epochs), "times": times}


def _is_since(event: Event, since: str) -> bool:
    return str(event.get("time", "")) > since


def _record(told: Mapping[str, Any]) -> StudyRecord:
    record = StudyRecord(**told["record"], worker_time=WorkerTime.from_mapping(told["worker_time"]))
    record.trials = {entry["number"]: _read_trial(entry) for entry in told["trials"]}
    return record


def _read_trial(entry: dict[str, Any]) -> TrialRecord:
    if "interruptions" in entry:
        entry["interruptions"] = Counter(entry["interruptions"])
    if "count" in entry:
        epochs: Any = Counted(entry.pop("count"), entry.pop("times"))
    else:
        epochs = {event["epoch"]: event for event in entry.pop("epochs")}
    return TrialRecord(**entry, epochs=epochs)


def _mark(file: BinaryIO, size: int) -> str:
    """What tells that a file begins with what was folded: its first bytes and the last ones before `size`."""
    file.seek(0)
    first = file.read(_MARK_BYTES)
    file.seek(max(0, size - _MARK_BYTES))
    last = file.read(min(_MARK_BYTES, size))
    return hashlib.sha256(first + last).hexdigest()


_DEFAULTS = {
    field.name: field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    for field in dataclasses.fields(TrialRecord)
}
