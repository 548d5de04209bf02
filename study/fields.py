"""The fields of every kind of event, and what may stand in each. Standard library only."""

from __future__ import annotations

import reprlib
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from colournet.values import FORMS
from study.errors import RecordError

_MOST = sys.float_info.max


def _is_text(value: Any) -> bool:
    return type(value) is str


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_score(value: Any) -> bool:
    return value is None or (type(value) in (float, int) and -_MOST <= value <= _MOST)


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False


def _is_flag(value: Any) -> bool:
    return type(value) is bool


def _is_limits(value: Any) -> bool:
    return type(value) is dict and all(map(_is_score, value.values()))


def _is_params(value: Any) -> bool:
    return type(value) is dict and all(
        type(item) in (str, bool, int, float) or (type(item) is list and all(map(_is_text, item)))
        for item in value.values()
    )


_Field = tuple[Callable[[Any], bool], str]  # whether a value may stand there, and in words what may

_TEXT: _Field = (_is_text, "text")
_COUNT: _Field = (_is_count, "a whole number from 0")
_SCORE: _Field = (_is_score, "a finite number or null")
_FLAG: _Field = (_is_flag, "true or false")
_TIME: _Field = (_is_time, "a time with its zone, ISO 8601")
_PARAMS: _Field = (_is_params, "a table of settings")


def _one_of(*words: str) -> _Field:
    return lambda value: type(value) is str and value in words, "one of " + ", ".join(words)


FAILURES = ("diverged", "error", "lost", "out_of_memory", "timed_out")
"""Why a trial failed: see docs/results-format.md for each reason's policy."""

INTERRUPTIONS = ("stopped", "lost", "out_of_memory", "disk_full", "stack")
"""Why an attempt ended before its trial did, which goes on in another."""

ENDINGS = ("finished", "budget", "interrupted", "terminated", "failed")
"""Why a driver ended."""

TEST_SCORES = ("test_loss", "test_accuracy", "test_mse")
"""What a run scores on the test images with its best epoch's model; a search's trials have none, a confirmation's all."""

_ASKED = {"params": _PARAMS, "seed": _COUNT}
_STARTED = {
    **dict.fromkeys(("attempt", "pid", "parameters", "resumed_from_epoch"), _COUNT),
    **dict.fromkeys(("host", "device"), _TEXT),
}
_EPOCH = {
    **dict.fromkeys(("attempt", "epoch"), _COUNT),
    **dict.fromkeys(("train_loss", "val_loss", "val_accuracy", "val_mse", "seconds", "images_per_second"), _SCORE),
}
_ENDED_WELL = {"attempt": _COUNT, "value": _SCORE, "epoch": _COUNT}
_SESSION = {"trials": _COUNT, "host": _TEXT, "pid": _COUNT, "workers": _COUNT}
_MAY_HAVE_SESSION: Mapping[str, _Field] = {
    "space": _TEXT,
    "limits": (_is_limits, "a table of numbers or null"),
    "time_budget_seconds": _SCORE,
    "epoch_budget": _COUNT,
    "gpus_per_trial": _SCORE,
    "fused": _COUNT,
}

TRIAL_FIELDS: Mapping[str, Mapping[str, _Field]] = {
    "asked": _ASKED,
    "started": _STARTED,
    "epoch": _EPOCH,
    "completed": {**_ENDED_WELL, "checkpoint": _TEXT},
    "pruned": _ENDED_WELL,
    "failed": {"attempt": _COUNT, "reason": _one_of(*FAILURES), "message": _TEXT},
    "interrupted": {"attempt": _COUNT},
    "discarded": {"checkpoint": _TEXT, "bytes": _COUNT},
}
STUDY_FIELDS: Mapping[str, Mapping[str, _Field]] = {
    "launched": _SESSION,
    "resumed": _SESSION,
    "ended": {"reason": _one_of(*ENDINGS)},
    "note": {"text": _TEXT},
}
MAY_HAVE: Mapping[str, Mapping[str, _Field]] = {
    "asked": {"enqueued": _COUNT, "form": _one_of(*FORMS)},
    "started": {"fused": _COUNT},
    "epoch": {"filled_in": _FLAG},
    "completed": dict.fromkeys(TEST_SCORES, _SCORE),
    "interrupted": {"reason": _one_of(*INTERRUPTIONS), "message": _TEXT},
    "launched": _MAY_HAVE_SESSION,
    "resumed": _MAY_HAVE_SESSION,
    "ended": {"message": _TEXT},
}
"""What an event has only where it applies, or has had only since a later version of this format."""
_FIELDS: Mapping[str, Mapping[str, _Field]] = {
    **{kind: {"time": _TIME, "trial": _COUNT, **fields} for kind, fields in TRIAL_FIELDS.items()},
    **{kind: {"time": _TIME, **fields} for kind, fields in STUDY_FIELDS.items()},
}
_NOTHING = object()
"""Stands for a field that is not there; no check lets it pass."""


def check_fields(event: Mapping[str, Any]) -> None:
    """Raise `RecordError` if an event is of no known kind, lacks one of its fields, or has one of a wrong type."""
    kind = event.get("event")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        hint = "a newer version of this program may have written it"
        raise RecordError(f"unknown event {reprlib.repr(kind)}", hint=hint)
    for name, (is_right, words) in fields.items():
        if not is_right(event.get(name, _NOTHING)):
            _check_missing(event, fields)
            raise _wrong(event, name, words)
    for name, (is_right, words) in MAY_HAVE.get(str(kind), {}).items():
        if name in event and not is_right(event[name]):
            raise _wrong(event, name, words)


def _check_missing(event: Mapping[str, Any], fields: Mapping[str, _Field]) -> None:
    missing = [name for name in fields if name not in event]
    if missing:
        raise RecordError(f"event {event['event']!r} lacks {', '.join(missing)}")


def _wrong(event: Mapping[str, Any], name: str, words: str) -> RecordError:
    return RecordError(f"event {event['event']!r}: {name} must be {words}, got {reprlib.repr(event[name])}")
