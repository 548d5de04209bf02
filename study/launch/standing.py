"""How a study stands, kept up to date trial by trial. Standard library only."""

from __future__ import annotations

from study.records import ENDED, StudyRecord, TrialRecord, best_first


class Standing:
    """How many trials have ended, and which is the best; counting them anew for each would take a study's square."""

    def __init__(self, record: StudyRecord, *, goal: str) -> None:
        self._goal = goal
        self.ended = sum(record.count(state) for state in ENDED)
        self.best = next(best_first(record.trials.values(), goal=goal), None)
        """The completed trial with the best value; of equals, the one with the lower number."""

    def end(self, trial: TrialRecord) -> None:
        """Take note of a trial that has just ended."""
        self.ended += 1
        known = [] if self.best is None else [self.best]
        self.best = next(best_first([*known, trial], goal=self._goal), None)
