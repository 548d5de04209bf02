"""The trials of a confirmation: a list that was made beforehand. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from study.candidates import Run
from study.known_points import Point
from study.parameters import Value


class Planned:
    """Hands out runs in their order, each with its own seed; prunes none, learns nothing, has each scored on test images."""

    is_tested = True
    known: Sequence[Point] = ()

    def __init__(self, runs: Sequence[Run], *, asked: int = 0) -> None:
        """`asked` is how many were handed out before."""
        self._runs = runs
        self._asked = asked

    def ask(self, known: Point | None = None) -> tuple[int, dict[str, Value]]:  # noqa: ARG002 (a plan has no such points)
        """Begin the next run: its number and parameters. There must be one."""
        run = self._runs[self._asked]
        self._asked += 1
        return run.number, dict(run.candidate.params)

    def seed(self, number: int) -> int:
        """The seed of a run, which the other candidates have runs of too."""
        return self._runs[number].seed

    def report(self, number: int, epoch: int, value: float) -> bool:  # noqa: ARG002 (every run is trained to its end)
        """Never ask for a pruning."""
        return False

    def is_condemned(self, number: int) -> bool:  # noqa: ARG002 (none ever is)
        """Never."""
        return False

    def complete(self, number: int, value: float) -> None:
        """Nothing to do: nothing is learned."""

    def prune(self, number: int) -> None:
        """Nothing to do: no run is pruned."""

    def fail(self, number: int) -> None:
        """Nothing to do: nothing is learned."""
