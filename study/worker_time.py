"""Where workers' time went: into epochs, or beside them. Standard library only.

A worker's time for an attempt goes from when it was free, which is when the trial before it ended, to when this one ends. So
all is in it that is no epoch: waiting for a trial, making its network, writing checkpoints and pictures, telling the driver and
waiting for its record. Of a worker's first trial it goes from when that was asked, the start of its process included.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from study.trials import ENDED, Event

_WELL = ("completed", "pruned")
_Worker = tuple[str, int]  # host and process


class Spell(NamedTuple):
    """One worker's time for one attempt at a trial, of which it told the end."""

    trial: int
    outcome: str
    is_warm: bool
    """Whether the worker had run a trial before in this session."""
    seconds: float
    """All of it, by the driver's clock; never less than the epochs, whatever that clock did meanwhile."""
    epoch_seconds: float
    """What of it was training and validation."""


@dataclass
class _Open:
    worker: _Worker
    since: str
    is_warm: bool
    epoch_seconds: float = 0.0


@dataclass
class WorkerTime:
    """All spells of a study, as the events so far tell them."""

    spells: list[Spell] = field(default_factory=list)
    _asked: dict[int, str] = field(default_factory=dict)
    _open: dict[int, _Open] = field(default_factory=dict)
    _free: dict[_Worker, str] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Fold one more event, which must be one that the record accepted."""
        fold = _FOLDS.get(event["event"])
        if fold is not None:
            fold(self, event)

    def to_mapping(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "spells": self.spells,
            "asked": list(self._asked.items()),
            "open": [(trial, vars(spell)) for trial, spell in self._open.items()],
            "free": list(self._free.items()),
        }

    @classmethod
    def from_mapping(cls, told: Mapping[str, Any]) -> WorkerTime:
        """What `to_mapping` told, by way of JSON."""
        return cls(
            spells=[Spell(*spell) for spell in told["spells"]],
            _asked=dict(told["asked"]),
            _open={trial: _Open(**{**spell, "worker": tuple(spell["worker"])}) for trial, spell in told["open"]},
            _free={tuple(worker): since for worker, since in told["free"]},
        )

    @property
    def costs(self) -> list[float]:
        """Seconds that each completed or pruned trial took beside its epochs, on workers that were warm."""
        return [
            spell.seconds - spell.epoch_seconds for spell in self.spells if spell.is_warm and spell.outcome in _WELL
        ]

    @property
    def cost(self) -> float | None:
        """Their median, None where there are none."""
        return statistics.median(self.costs) if self.costs else None

    def share_in_epochs(self, *, least_seconds: float = 0.0) -> float | None:
        """What part of workers' time was epochs, in all trials whose epochs took so long; None where there are none."""
        chosen = [spell for spell in self.spells if spell.epoch_seconds >= least_seconds]
        seconds = sum(spell.seconds for spell in chosen)
        return sum(spell.epoch_seconds for spell in chosen) / seconds if seconds else None

    def _begin_session(self, _: Event) -> None:
        self._asked.clear()
        self._open.clear()
        self._free.clear()

    def _ask(self, event: Event) -> None:
        self._asked[event["trial"]] = event["time"]

    def _start(self, event: Event) -> None:
        worker = (event["host"], event["pid"])
        free = self._free.pop(worker, None)
        asked = self._asked.pop(event["trial"], event["time"])  # of one handed out again it is not told when
        self._open[event["trial"]] = _Open(worker, asked if free is None else free, is_warm=free is not None)

    def _add_epoch(self, event: Event) -> None:
        if not event.get("filled_in"):
            self._open[event["trial"]].epoch_seconds += event["seconds"] or 0.0

    def _end(self, event: Event) -> None:
        spell = self._open.pop(event["trial"], None)
        if spell is None:  # it was pruned or given up while no worker had it
            return
        self._free[spell.worker] = event["time"]
        seconds = (datetime.fromisoformat(event["time"]) - datetime.fromisoformat(spell.since)).total_seconds()
        self.spells.append(
            Spell(
                trial=event["trial"],
                outcome=event["event"],
                is_warm=spell.is_warm,
                seconds=max(seconds, spell.epoch_seconds),
                epoch_seconds=spell.epoch_seconds,
            )
        )


_FOLDS: dict[str, Callable[[WorkerTime, Event], None]] = {
    **dict.fromkeys(("launched", "resumed"), WorkerTime._begin_session),
    "asked": WorkerTime._ask,
    "started": WorkerTime._start,
    "epoch": WorkerTime._add_epoch,
    **dict.fromkeys((*ENDED, "interrupted"), WorkerTime._end),
}
