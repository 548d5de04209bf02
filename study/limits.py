"""How far a study may go: what it bears of failures, keeps of checkpoints, and may cost. Standard library only.

*Limits* belong to a study: they are recorded with each session, and a resumed study keeps them unless told otherwise.
*Budgets* belong to one launch or resume.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from study.errors import StudyError

_SECONDS: Mapping[str, float] = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES: Mapping[str, float] = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}
_BYTES_BINARY: Mapping[str, float] = {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_QUANTITY = re.compile(r"\s*(\d{1,15}(?:\.\d{1,9})?)\s*([a-zA-Z]*)\s*", flags=re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a study bears and keeps."""

    trial_timeout_seconds: float | None = None
    """Longest time that an attempt at a trial may take; one that takes longer fails as `timed_out`. None for no limit."""

    lost_retries: int = 3
    """How many workers of one trial may be lost, with their node or killed, before the trial fails as `lost`."""

    max_failures: int = 5
    """A study is given up after so many failed trials in a row, none completed or pruned between; a diverged trial is no
    failure of the study."""

    grace_seconds: float = 15.0
    """How long running trials may take to end their epoch when the study is stopped."""

    keep_checkpoints: int = 3
    """Models that are kept of the best completed trials; all others are deleted."""

    checkpoint_quota_bytes: int | None = None
    """Most bytes that checkpoints may take in the study's folder. None for no limit."""

    def to_mapping(self) -> dict[str, Any]:
        """The fields by name, JSON-ready."""
        return dataclasses.asdict(self)

    @classmethod
    def from_mapping(cls, recorded: Mapping[str, Any]) -> Limits:
        """Read what `to_mapping` gave; what this version does not know is left out, what is missing gets its default."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in recorded.items() if name in known})

    def replace(self, **changes: Any) -> Limits:
        """A copy in which every change that is not None is made."""
        return dataclasses.replace(self, **{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one launch or resume may cost; None for no limit."""

    seconds: float | None = None
    """Wall-clock time from when Ray is up; trials that run then are interrupted after their epoch."""

    epochs: int | None = None
    """Epochs trained in all, by every session of the study together."""

    @property
    def is_set(self) -> bool:
        """Whether anything is limited."""
        return self.seconds is not None or self.epochs is not None

    def to_mapping(self) -> dict[str, Any]:
        """What is limited, as the fields of a session's event."""
        named = {"time_budget_seconds": self.seconds, "epoch_budget": self.epochs}
        return {name: value for name, value in named.items() if value is not None}


def parse_seconds(text: str) -> float:
    """Read a length of time: `90`, `90s`, `30m`, `1.5h`, `2d`. Raises `StudyError` for anything else, or nothing."""
    return _parse(text, _SECONDS, hint="write a number with s, m, h or d behind it, such as 90s, 30m or 1.5h")


def parse_bytes(text: str) -> int:
    """Read a size: `500MB`, `2GiB`, a number of bytes. Raises `StudyError` for anything else, or nothing."""
    return math.ceil(_parse(text, {**_BYTES, **_BYTES_BINARY}, hint="write a number and a unit, such as 500MB or 2GiB"))


def _parse(text: str, units: Mapping[str, float], *, hint: str) -> float:
    match = _QUANTITY.fullmatch(text)
    factor = units.get(match[2].lower()) if match else None
    if match is None or factor is None or float(match[1]) == 0:
        raise StudyError(f"{text!r} is not an amount above 0", hint=hint)
    return float(match[1]) * factor
