"""Which checkpoints a study keeps, and the room they take. Standard library only.

A running or interrupted trial keeps the checkpoint that it goes on from. A completed trial keeps its best model while it
is among the best few; all else of a trial that has ended is deleted, after the event that says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from colournet.config import TrainConfig
from study.errors import LaunchError
from study.limits import Limits
from study.records import ENDED, StudyRecord, TrialRecord, best_first
from study.store import StudyFolder

_BYTES_PER_WEIGHT = 4 * (3 + 3 + 1)  # Adam keeps two moments beside each weight; a file is written before it replaces
_BYTES_PER_EPOCH = 2 * 400  # the history in both
_OVERHEAD_BYTES = 3 * 20_000  # names, running averages, the palette, the generator


class Retention:
    """Deletes what is no longer needed of a study's checkpoints, and says whether there is room for more."""

    def __init__(
        self,
        folder: StudyFolder,
        record: StudyRecord,
        limits: Limits,
        *,
        expected: Callable[[int], int],
        append: Callable[..., None],
    ) -> None:
        """`expected` tells the most bytes that the files of a trial will take, `append` records an event."""
        self._folder = folder
        self._record = record
        self._limits = limits
        self._expected = expected
        self._append = append
        self._goal = folder.objective.goal
        self._kept = [trial for trial in record.trials.values() if trial.checkpoint is not None]

    def after(self, trial: TrialRecord) -> None:
        """Clean up behind a trial that has just ended."""
        self._clear(trial)
        if trial.checkpoint is not None:
            self._kept.append(trial)
            self._keep_best(self._limits.keep_checkpoints)

    def sweep(self) -> None:
        """Make good what a dead driver left undone."""
        for trial in self._record.trials.values():
            if trial.state in ENDED:
                self._clear(trial)
        self._keep_best(self._limits.keep_checkpoints)

    def has_room(self, number: int, live: Collection[int]) -> bool:
        """Whether the files of one more trial fit into the quota; the worst kept models make room, but for the best."""
        quota = self._limits.checkpoint_quota_bytes
        if quota is None:
            return True
        while self._needed(number, live) > quota:
            if len(self._kept) <= 1:
                return False
            self._keep_best(len(self._kept) - 1)
        return True

    def too_small(self, number: int) -> LaunchError:
        """The error of a study in which not even this trial alone fits into the quota."""
        quota = self._limits.checkpoint_quota_bytes or 0
        return LaunchError(
            f"{self._folder.title}: the checkpoint quota of {quota / 1e6:.1f} MB is too small, trial {number} needs up to "
            f"{self._needed(number, ()) / 1e6:.1f} MB with what is kept",
            hint="give a larger --checkpoint-quota; smaller networks need less",
        )

    def _needed(self, number: int, live: Collection[int]) -> int:
        """The most that trial `number` and those that live will take beside what lies there of all others."""
        lying = {trial.number for trial in self._kept} | {trial.number for trial in self._record.unfinished} - {*live}
        growing = sum(max(self._expected(each), self._bytes_of([each])) for each in live)
        return self._expected(number) + growing + self._bytes_of(lying)

    def _keep_best(self, count: int) -> None:
        ranked = list(best_first(self._kept, goal=self._goal))
        for trial in ranked[count:]:
            assert trial.checkpoint is not None
            path = self._folder.layout.root / trial.checkpoint
            self._append("discarded", trial.number, checkpoint=trial.checkpoint, bytes=_size(path))
            self._clear(trial)
        self._kept = ranked[:count]

    def _clear(self, trial: TrialRecord) -> None:
        """Delete every attempt's files of an ended trial but a model that is kept."""
        layout = self._folder.layout.trial(trial.number)
        kept = None if trial.checkpoint is None else self._folder.layout.root / trial.checkpoint
        for attempt in layout.attempts():
            folder = layout.attempt(attempt)
            if kept is None or kept.parent != folder:
                shutil.rmtree(folder, ignore_errors=True)  # the next sweep tries again, and doctor tells
                continue
            for path in folder.iterdir():
                if path != kept:
                    path.unlink(missing_ok=True)

    def _bytes_of(self, numbers: Iterable[int]) -> int:
        """What the checkpoints of some trials take on the disk."""
        layouts = [self._folder.layout.trial(number) for number in numbers]
        return sum(
            _size(path)
            for layout in layouts
            for attempt in layout.attempts()
            for path in layout.attempt(attempt).glob("*")
        )


def expected_bytes(config: TrainConfig) -> int:
    """The most that the files of a trial take: its last checkpoint, the one that replaces it, and its best model."""
    from colournet.models import count_parameters

    return count_parameters(config) * _BYTES_PER_WEIGHT + config.epochs * _BYTES_PER_EPOCH + _OVERHEAD_BYTES


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
