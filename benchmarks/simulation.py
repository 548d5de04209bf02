"""Searches in virtual time: any number of workers, no training, no sleeping, no Ray.

A search hands out trials and is told of their epochs in the order in which so many workers would tell of them. What it costs
itself takes no virtual time.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from benchmarks.recorded_table import Curve


@dataclass(frozen=True)
class Work:
    """One trial for a worker."""

    number: int
    config: Mapping[str, Any]


class Search(Protocol):
    """What hands out trials and hears of them."""

    def begin(self) -> Work | None:
        """The next trial, which a worker begins; None while there is none."""

    def report(self, work: Work, epoch: int, loss: float, seconds: float) -> bool:
        """Hear of an epoch; answer whether the trial goes on."""

    def finish(self, work: Work) -> None:
        """Hear that a trial has trained all its epochs."""


@dataclass
class Outcome:
    """What a simulation came to, so far."""

    epochs: int = 0
    """Epochs that all workers trained."""
    seconds: float = 0.0
    """Virtual time."""
    trials: int = 0
    """Trials begun."""
    best: float = float("inf")
    """The best loss of any epoch."""
    improvements: list[tuple[int, float]] = field(default_factory=list)
    """Each new best loss, with the epochs that it took."""

    def note(self, seconds: float, loss: float) -> None:
        """One more epoch has been trained."""
        self.epochs, self.seconds = self.epochs + 1, seconds
        if loss < self.best:
            self.best = loss
            self.improvements.append((self.epochs, loss))


def simulate(
    search: Search,
    curve_of: Callable[[Mapping[str, Any]], Curve],
    *,
    workers: int,
    is_enough: Callable[[Outcome], bool] = lambda _: False,
) -> Outcome:
    """Run a search until it has no more trials, or `is_enough`, asked after each epoch, says so."""
    outcome, order = Outcome(), count()
    running: list[tuple[float, int, Work, Curve, int]] = []
    while True:
        while len(running) < workers and (work := search.begin()) is not None:
            outcome.trials += 1
            curve = curve_of(work.config)
            heapq.heappush(running, (outcome.seconds + curve.seconds, next(order), work, curve, 1))
        if not running:
            return outcome
        now, _, work, curve, epoch = heapq.heappop(running)
        loss = curve.losses[epoch - 1]
        outcome.note(now, loss)
        goes_on = search.report(work, epoch, loss, curve.seconds)
        if is_enough(outcome):
            return outcome
        if goes_on and epoch < len(curve.losses):
            heapq.heappush(running, (now + curve.seconds, next(order), work, curve, epoch + 1))
        elif goes_on:
            search.finish(work)
