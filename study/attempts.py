"""The attempts at a study's trials, folded from the events that a record keeps of them. Standard library only.

`study.records` keeps of each trial what counts; here stands every attempt, with the epochs that a later one repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from study.records import ENDED, Event

OUTCOMES = (*ENDED, "interrupted", "running")
"""How an attempt ended: with its trial, before it, or not yet."""


@dataclass(kw_only=True)
class Attempt:
    """One attempt at a trial, by one worker."""

    trial: int
    number: int
    """From 1; a number may be missing where a worker was lost before it told of itself."""
    host: str
    pid: int
    device: str
    started: str
    """UTC, ISO 8601; so are `ended` and `heard`."""
    resumed_from_epoch: int
    heard: str
    """When it last told anything."""
    outcome: str = "running"
    """One of `OUTCOMES`."""
    reason: str | None = None
    """Why it failed or was interrupted; None where it was not, or where its driver died."""
    message: str | None = None
    ended: str | None = None
    """When it ended; where its driver died, when it was last heard of."""
    first_epoch: int | None = None
    """The first epoch that it trained itself, None before it has."""
    last_epoch: int | None = None
    epochs_trained: int = 0
    epochs_filled_in: int = 0
    """Epochs that an earlier attempt trained and this one's checkpoint told of, because the record had missed them."""
    seconds: float = 0.0
    """Time of the epochs that it trained itself."""


class Attempts:
    """All attempts of a study, as the events so far tell them."""

    def __init__(self) -> None:
        self.all: list[Attempt] = []
        """In the order in which they started."""
        self._open: dict[int, Attempt] = {}

    def apply(self, event: Event) -> None:
        """Fold one more event, which must be one that the record accepted."""
        fold = _FOLDS.get(event["event"])
        if fold is not None:
            fold(self, event)

    def interrupt_orphans(self) -> None:
        """End what still runs: its driver died."""
        for attempt in list(self._open.values()):
            self._close(attempt, "interrupted", attempt.heard)

    def in_order(self) -> list[Attempt]:
        """All attempts by trial and number."""
        return sorted(self.all, key=lambda attempt: (attempt.trial, attempt.number))

    def _begin_session(self, _: Event) -> None:
        self.interrupt_orphans()

    def _start(self, event: Event) -> None:
        before = self._open.get(event["trial"])
        if before is not None:
            self._close(before, "interrupted", before.heard)
        attempt = Attempt(
            trial=event["trial"],
            number=event["attempt"],
            host=event["host"],
            pid=event["pid"],
            device=event["device"],
            started=event["time"],
            resumed_from_epoch=event["resumed_from_epoch"],
            heard=event["time"],
        )
        self.all.append(attempt)
        self._open[attempt.trial] = attempt

    def _add_epoch(self, event: Event) -> None:
        attempt = self._open[event["trial"]]
        attempt.heard = event["time"]
        if event.get("filled_in"):
            attempt.epochs_filled_in += 1
            return
        attempt.first_epoch = attempt.first_epoch or event["epoch"]
        attempt.last_epoch = event["epoch"]
        attempt.epochs_trained += 1
        attempt.seconds += event["seconds"] or 0.0

    def _end(self, event: Event) -> None:
        """End the trial's attempt; a trial that ends while it waits for another one had its attempts end before."""
        attempt = self._open.get(event["trial"])
        if attempt is not None:
            attempt.reason, attempt.message = event.get("reason"), event.get("message")
            self._close(attempt, event["event"], event["time"])

    def _close(self, attempt: Attempt, outcome: str, ended: str) -> None:
        attempt.outcome, attempt.ended = outcome, ended
        del self._open[attempt.trial]


_FOLDS: dict[str, Callable[[Attempts, Event], None]] = {
    **dict.fromkeys(("launched", "resumed"), Attempts._begin_session),
    "started": Attempts._start,
    "epoch": Attempts._add_epoch,
    **dict.fromkeys((*ENDED, "interrupted"), Attempts._end),
}
