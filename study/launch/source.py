"""Where the driver's trials come from, and what becomes of them is told to. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from study.known_points import Point
from study.parameters import Value


class Source(Protocol):
    """Optuna, which learns from what it is told (`optimizer`), or a plan made beforehand, which does not (`planned`)."""

    is_tested: bool
    """Whether the trials are scored on the test images once they are trained. A search's never are."""

    known: Sequence[Point]
    """The points that are asked first, once each."""

    def ask(self, known: Point | None = None) -> tuple[int, dict[str, Value]]:
        """Begin the next trial, at a known point where one is given: its number and parameters."""

    def seed(self, number: int) -> int:
        """The seed of a trial."""

    def report(self, number: int, epoch: int, value: float) -> bool:
        """Take note of a trial's value after an epoch; answer whether it should be pruned."""

    def is_condemned(self, number: int) -> bool:
        """Whether the latest report of an unfinished trial was answered by pruning it."""

    def complete(self, number: int, value: float) -> None:
        """End a trial with its value."""

    def prune(self, number: int) -> None:
        """End a trial early."""

    def fail(self, number: int) -> None:
        """End a trial without a value."""
