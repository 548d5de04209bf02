"""Why and when a study ends before all its trials have: a signal, a budget, an error. Standard library only."""

from __future__ import annotations

import time

from study.limits import Budget


class Ending:
    """Whether a study is to end, since when, and for what."""

    def __init__(self, budget: Budget, *, grace_seconds: float) -> None:
        self._budget = budget
        self._grace_seconds = grace_seconds
        self._began = time.monotonic()
        self._deadline: float | None = None
        self.reason: str | None = None
        """Why no more trials are handed out, as the record will say it; None while they are."""
        self.error: BaseException | None = None
        """What the study is given up for."""

    def stop(self, reason: str) -> None:
        """Hand out no more; what runs may end its epoch within the grace time. Safe to call at any moment."""
        self.reason = self.reason or reason

    def give_up(self, error: BaseException) -> None:
        """Stop for an error, the first one if there are several."""
        self.error = self.error or error
        self.stop("failed")

    def look_at_clock(self) -> None:
        """Stop where the time budget is spent."""
        if self._budget.seconds is not None and time.monotonic() - self._began >= self._budget.seconds:
            self.stop("budget")
        if self.reason is not None and self._deadline is None:
            self._deadline = time.monotonic() + self._grace_seconds

    @property
    def is_overdue(self) -> bool:
        """Whether the grace time is over."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def has_epochs_for(self, running: int, *, trained: int) -> bool:
        """Whether the epoch budget lets so many trials train one more epoch each."""
        return self._budget.epochs is None or trained + running <= self._budget.epochs
