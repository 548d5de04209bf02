"""The record of a study as an Optuna storage that cannot be written: a view, which grows as the record does."""

from __future__ import annotations

import copy
import threading
from collections.abc import Container
from typing import Any, NoReturn

import optuna
from optuna.storages import BaseStorage, InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from study.errors import StudyError
from study.following import Follower
from study.launch.frozen_trials import Freezer, direction, study_attributes
from study.store import StudyFolder

_METRIC_NAMES = "study:metric_names"
"""Where `optuna.Study.set_metric_names` keeps them, and optuna-dashboard looks."""


class RecordStorage(InMemoryStorage):
    """One study, with its trials as of the last `refresh`; a trial's id is its number. Safe to use from several threads.

    Whatever would change it raises `StudyError`.
    """

    def __init__(self, folder: StudyFolder) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        super().__init__()
        self._folder = folder
        self._follower = Follower(folder)
        self._freezer = Freezer(folder)
        self._sessions = 0
        self._frozen: list[FrozenTrial] = []
        self._stale: set[int] = set()
        self._refreshing = threading.Lock()
        self.study_id = super().create_new_study([direction(folder)], study_name=folder.name)
        for name, value in study_attributes(folder).items():
            super().set_study_user_attr(self.study_id, name, value)
        super().set_study_system_attr(self.study_id, _METRIC_NAMES, [folder.objective.metric])

    def refresh(self) -> None:
        """Take over what the record has got since. Raises `RecordError` if it cannot be read; the trials stay as they were."""
        with self._refreshing:
            self._stale |= self._follower.look()
            record = self._follower.record
            if record.sessions != self._sessions:  # which may have begun with another space
                self._freezer, self._sessions = Freezer(self._folder), record.sessions
            frozen = self._frozen[: len(record.trials)]
            for number in sorted(self._stale & record.trials.keys()):
                frozen[number : number + 1] = [self._freezer.freeze(self._follower.trial(number))]
            self._frozen, self._stale = frozen, set()  # whoever got the old list keeps it as it was

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A trial. Raises KeyError if there is none."""
        frozen = self._frozen
        if not 0 <= trial_id < len(frozen):
            raise KeyError(f"there is no trial {trial_id}")
        return frozen[trial_id]

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials, in order of their numbers. Raises KeyError for another study."""
        self.get_study_name_from_id(study_id)
        found = [trial for trial in self._frozen if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    # These look at the trials by the two above.
    get_best_trial = BaseStorage.get_best_trial
    get_trial_id_from_study_id_trial_number = BaseStorage.get_trial_id_from_study_id_trial_number
    get_trial_number_from_id = BaseStorage.get_trial_number_from_id
    get_trial_param = BaseStorage.get_trial_param

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise StudyError("the record of a study cannot be changed by Optuna")

    create_new_study = delete_study = create_new_trial = _refuse
    set_study_user_attr = set_study_system_attr = _refuse
    set_trial_param = set_trial_state_values = set_trial_intermediate_value = _refuse
    set_trial_user_attr = set_trial_system_attr = _refuse
