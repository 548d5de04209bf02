"""Optuna's successive halving and Hyperband by each trial's best value so far, without looking at every trial for each report.

A trial is judged by what it will be ranked by, its best epoch. Optuna judges by the latest one, whose noise prunes many of the
best: docs/search-efficiency.md counts them.

Optuna's pruners collect what all trials have noted at a rung, and sort it, whenever a trial arrives there. Here the notes of a
rung are kept in order as they come. They are written to Optuna's study as well, under Optuna's names, so that it is the same.
"""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable

from optuna.pruners import BasePruner, HyperbandPruner
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

Bracket = Callable[[Study, FrozenTrial], int]


class Halving(BasePruner):
    """Asynchronous successive halving (Li et al., 2020), in one bracket or in several.

    A trial goes on beyond a rung if its best value so far is among the best 1/`reduction_factor` of those that have come there;
    of the first few the best one does. The rungs of bracket b are `min_epochs` * `reduction_factor` ** (b + 0, 1, ...) epochs.
    """

    def __init__(
        self,
        *,
        min_epochs: int,
        reduction_factor: int,
        bracket_of: Bracket = lambda study, trial: 0,  # noqa: ARG005
    ) -> None:
        self._min_epochs = min_epochs
        self._factor = reduction_factor
        self._bracket_of = bracket_of
        self._rungs: dict[tuple[int, int], list[float]] = defaultdict(list)

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Note the value at each rung that it reaches; answer whether it falls short of one."""
        epoch = trial.last_step
        if epoch is None:
            return False
        value, bracket = self._value(study, trial), self._bracket_of(study, trial)
        rung = 0
        while _note(rung) in trial.system_attrs:
            rung += 1
        while epoch >= self._min_epochs * self._factor ** (bracket + rung):
            study._storage.set_trial_system_attr(trial._trial_id, _note(rung), value)
            insort(self._rungs[bracket, rung], value)
            if not self._is_promoted(value, self._rungs[bracket, rung], study.direction):
                return True
            rung += 1
        return False

    def _value(self, study: Study, trial: FrozenTrial) -> float:
        """What a trial is judged by."""
        values = trial.intermediate_values.values()
        return max(values) if study.direction == StudyDirection.MAXIMIZE else min(values)

    def _is_promoted(self, value: float, values: list[float], direction: StudyDirection) -> bool:
        last = max(len(values) // self._factor, 1)  # of the first few the best goes on
        return value >= values[-last] if direction == StudyDirection.MAXIMIZE else value <= values[last - 1]


def hyperband(*, min_epochs: int, max_epochs: int, reduction_factor: int) -> Halving:
    """Hyperband (Li et al., 2018): trials are dealt to brackets as Optuna deals them, by their numbers and the study's name."""
    dealer = HyperbandPruner(min_resource=min_epochs, max_resource=max_epochs, reduction_factor=reduction_factor)

    def bracket_of(study: Study, trial: FrozenTrial) -> int:
        if not dealer._pruners:
            dealer._try_initialization(study)
        return dealer._get_bracket_id(study, trial)

    return Halving(min_epochs=min_epochs, reduction_factor=reduction_factor, bracket_of=bracket_of)


def _note(rung: int) -> str:
    return f"completed_rung_{rung}"
