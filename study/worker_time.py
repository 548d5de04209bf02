"""Where workers' time went: into epochs, or beside them. Standard library only.

A worker's time for an attempt goes from when it was free, which is when the trial before it ended, to when this one ends. So
all is in it that is no epoch: waiting for a trial, making its network, writing checkpoints and pictures, telling the driver and
waiting for its record. Of a worker's first trial it goes from when that was asked; where no process was ready, its start is in
it. Trials that a worker trains as one stack share its time, as they share the seconds of their epochs: all spells together are
what it took.
"""

from __future__ import annotations

import dataclasses
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
    is_warm: bool
    seconds: float = 0.0
    epoch_seconds: float = 0.0


@dataclass
class _Busy:
    """A worker: until when its time was shared out, whether it has run a trial before, and its spells by their trials."""

    since: str
    is_warm: bool = False
    spells: dict[int, _Open] = field(default_factory=dict)

    def share(self, now: str) -> None:
        """Share the time until now among those that run."""
        elapsed = (datetime.fromisoformat(now) - datetime.fromisoformat(self.since)).total_seconds()
        self.since = now
        for spell in self.spells.values():
            spell.seconds += elapsed / len(self.spells)


@dataclass
class WorkerTime:
    """All spells of a study, as the events so far tell them."""

    spells: list[Spell] = field(default_factory=list)
    _asked: dict[int, str] = field(default_factory=dict)
    _workers: dict[_Worker, _Busy] = field(default_factory=dict)
    _worker_of: dict[int, _Worker] = field(default_factory=dict)  # of each trial that runs

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
            "workers": [(worker, dataclasses.asdict(busy)) for worker, busy in self._workers.items()],
        }

    @classmethod
    def from_mapping(cls, told: Mapping[str, Any]) -> WorkerTime:
        """What `to_mapping` told, by way of JSON."""
        found = cls(spells=[Spell(*spell) for spell in told["spells"]], _asked=dict(told["asked"]))
        for (host, pid), busy in told["workers"]:
            spells = {int(trial): _Open(**spell) for trial, spell in busy["spells"].items()}
            found._workers[host, pid] = _Busy(busy["since"], busy["is_warm"], spells)
            found._worker_of |= dict.fromkeys(spells, (host, pid))
        return found

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
        self._workers.clear()
        self._worker_of.clear()

    def _ask(self, event: Event) -> None:
        self._asked[event["trial"]] = event["time"]

    def _start(self, event: Event) -> None:
        number, worker = event["trial"], (event["host"], event["pid"])
        asked = self._asked.pop(number, event["time"])  # of one handed out again it is not told when
        self._close(number, event["time"])
        busy = self._workers.setdefault(worker, _Busy(since=asked))
        was_idle = not busy.spells
        if not was_idle:
            busy.share(event["time"])
        busy.spells[number] = _Open(busy.is_warm)
        if was_idle:
            busy.share(event["time"])
        self._worker_of[number] = worker

    def _add_epoch(self, event: Event) -> None:
        if not event.get("filled_in"):
            worker = self._worker_of[event["trial"]]
            self._workers[worker].spells[event["trial"]].epoch_seconds += event["seconds"] or 0.0

    def _end(self, event: Event) -> None:
        spell = self._close(event["trial"], event["time"])
        if spell is None:  # it was pruned or given up while no worker had it
            return
        self.spells.append(
            Spell(
                trial=event["trial"],
                outcome=event["event"],
                is_warm=spell.is_warm,
                seconds=max(spell.seconds, spell.epoch_seconds),
                epoch_seconds=spell.epoch_seconds,
            )
        )

    def _close(self, number: int, now: str) -> _Open | None:
        """Take a trial from its worker, if it has one, which is warm from then on."""
        worker = self._worker_of.pop(number, None)
        if worker is None:
            return None
        busy = self._workers[worker]
        busy.share(now)
        busy.is_warm = True
        return busy.spells.pop(number)


_FOLDS: dict[str, Callable[[WorkerTime, Event], None]] = {
    **dict.fromkeys(("launched", "resumed"), WorkerTime._begin_session),
    "asked": WorkerTime._ask,
    "started": WorkerTime._start,
    "epoch": WorkerTime._add_epoch,
    **dict.fromkeys((*ENDED, "interrupted"), WorkerTime._end),
}
