"""A study as the figures, the sentences and the report need it: everything read at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from study.analysis import fidelity, frames, settings
from study.analysis.fidelity import Compared
from study.analysis.importance import Importance, importance
from study.analysis.measure import Measure
from study.analysis.settings import Setting
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

    @cached_property
    def settings(self) -> list[Setting]:
        """The hyperparameters that the space leaves open."""
        return settings.searched(self.space)

    @cached_property
    def codes(self) -> pd.DataFrame:
        """Those of every trial as numbers, by the trial's number."""
        return settings.codes({trial.number: trial.params for trial in self.record.trials.values()}, self.settings)

    @cached_property
    def compared(self) -> Compared:
        """The value of each trial that may be compared with the others'."""
        is_searched = any(setting.name == "epochs" for setting in self.settings)
        return fidelity.compare(self.trials, self.epochs, self.measure, epochs_searched=is_searched)

    @cached_property
    def importance(self) -> Importance:
        """How much each hyperparameter matters; takes seconds, so it is computed once for all figures.

        Where all trials are compared after the same number of epochs, how many were asked for does not count.
        """
        fixed = {"epochs"} if self.compared.epochs is not None else set()
        varied = [setting for setting in self.settings if setting.name not in fixed]
        return importance(self.codes, self.compared, self.space, varied, goal=self.measure.goal)

    @cached_property
    def by_importance(self) -> list[Setting]:
        """The open hyperparameters, those that explain most first; in the space's order where that is not known."""
        order = {name: place for place, name in enumerate(self.importance.order)}
        return sorted(self.settings, key=lambda setting: order.get(setting.name, len(order)))
