"""Which trials of a study wait for a worker and which have one. Standard library only."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterable


class Roster:
    """Trials in the order in which they are to be handed out, and those that are."""

    def __init__(self, waiting: Iterable[int], *, alone: Collection[int], apart: Collection[int]) -> None:
        """`alone` are those that must have nothing run beside them, `apart` those that must not be part of a stack."""
        self._waiting = deque(waiting)
        self._alone, self._apart = set(alone), set(apart)
        self._live: dict[int, float | None] = {}  # when each was started, None for not yet

    @property
    def waiting(self) -> list[int]:
        """The trials that have no worker, the next one first."""
        return list(self._waiting)

    @property
    def live(self) -> Collection[int]:
        """The trials that are handed out and have not ended."""
        return self._live.keys()

    @property
    def not_started(self) -> list[int]:
        """Those of them whose worker has not begun."""
        return [number for number, started in self._live.items() if started is None]

    @property
    def has_place(self) -> bool:
        """Whether one more may run beside those that do, as far as these decide: one that must be alone may not."""
        is_next_alone = bool(self._waiting) and self._waiting[0] in self._alone
        return not self._live or not (is_next_alone or self._alone & self._live.keys())

    def add(self, number: int) -> None:
        """Let a new trial wait behind the others."""
        self._waiting.append(number)

    def is_apart(self, number: int) -> bool:
        """Whether a trial must not be part of a stack."""
        return number in self._alone or number in self._apart

    def hand_out(self, number: int) -> None:
        """Give a trial that waits to a worker."""
        self._waiting.remove(number)
        self._live[number] = None

    def start(self, number: int) -> None:
        """Its worker has begun."""
        self._live[number] = time.monotonic()

    def seconds(self, number: int) -> float:
        """How long ago its worker began."""
        started = self._live[number]
        return 0.0 if started is None else time.monotonic() - started

    def put_back(self, number: int, *, alone: bool = False, apart: bool = False) -> None:
        """Let a trial that lost its worker be the next to get one."""
        del self._live[number]
        self._waiting.appendleft(number)
        if alone:
            self._alone.add(number)
        if apart:
            self._apart.add(number)

    def end(self, number: int) -> None:
        """Strike a trial off, wherever it is."""
        if number in self._live:
            del self._live[number]
        else:
            self._waiting.remove(number)
        self._alone.discard(number)
        self._apart.discard(number)
