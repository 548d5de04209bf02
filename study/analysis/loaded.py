"""A study as the figures, the sentences and the report need it: everything read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from study.analysis import frames
from study.analysis.measure import Measure
from study.records import StudyRecord
from study.space import Space
from study.store import StudyFolder


@dataclass(frozen=True, eq=False)
class Loaded:
    """One study, finished or running; equal only to itself, so that what is computed from it can be kept."""

    folder: StudyFolder
    record: StudyRecord
    state: str
    trials: pd.DataFrame
    epochs: pd.DataFrame
    attempts: pd.DataFrame
    measure: Measure

    @classmethod
    def read(cls, folder: StudyFolder) -> Loaded:
        """Read a study. Raises `RecordError` if the record cannot be read."""
        source = frames.Source.read(folder)
        return cls(
            folder=folder,
            record=source.record,
            state=folder.state(source.record),
            trials=source.trials(),
            epochs=source.epochs(),
            attempts=source.attempts(),
            measure=Measure.of(folder),
        )

    @cached_property
    def space(self) -> Space:
        """The search space."""
        return self.folder.space
