"""Optuna's TPE, to the bit, without looking at every trial anew for each that is asked.

`TPESampler` walks over all trials several times an ask, in Python. Here each trial is noted once, when it has been asked and
when it has ended, in arrays that are split and sorted at once. What is drawn, and from which densities, is Optuna's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

_RUNNING, _COMPLETE, _PRUNED, _FAILED = range(4)
_KINDS = {TrialState.COMPLETE: _COMPLETE, TrialState.PRUNED: _PRUNED, TrialState.FAIL: _FAILED}


class NotingTPE(TPESampler):
    """Optuna's `TPESampler(multivariate=True, constant_liar=True)` for one study that is asked by one caller."""

    def __init__(self, *, seed: int, startup_trials: int) -> None:
        super().__init__(seed=seed, n_startup_trials=startup_trials, multivariate=True, constant_liar=True)
        self._notes = _Notes()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The parameters that all trials have which ended with a value, by name."""
        return {name: taken for name, taken in sorted(self._notes.shared.items()) if not taken.single()}

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Note how a trial ended."""
        super().after_trial(study, trial, state, values)
        self._notes.end(trial, state, values)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A parameter that not all trials have."""
        if self._notes.ended < self._n_startup_trials:
            return self._random_sampler.sample_independent(study, trial, param_name, param_distribution)
        return self._sample(study, trial, {param_name: param_distribution})[param_name]

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space or self._notes.ended < self._n_startup_trials:
            return {}
        return self._sample(study, trial, search_space)

    def _sample(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        self._notes.catch_up(study, trial.number)
        sign = 1 if study.direction == StudyDirection.MINIMIZE else -1
        below, above = self._notes.split(_gamma(self._notes.ended), sign=sign)
        good, bad = (self._densities(search_space, numbers) for numbers in (below, above))
        samples = good.sample(self._rng.rng, self._n_ei_candidates)
        drawn = self._compare(samples, self._compute_acquisition_func(samples, good, bad))
        return {name: taken.to_external_repr(drawn[name]) for name, taken in search_space.items()}

    def _densities(self, search_space: dict[str, BaseDistribution], numbers: np.ndarray) -> Any:
        observed = self._notes.observed(search_space, numbers)
        return self._parzen_estimator_cls(observed, search_space, self._parzen_estimator_parameters)


def _gamma(ended: int) -> int:
    """How many trials count as good: a tenth, 25 at most. Optuna's default."""
    return min(-(-ended // 10), 25)


class _Notes:
    """What TPE needs of every trial, as arrays by the trials' numbers."""

    def __init__(self) -> None:
        self.shared: Mapping[str, BaseDistribution] = {}
        """The distributions that all trials have in common which ended with a value."""
        self.ended = 0
        """How many did."""
        self._asked = 0
        self._params: dict[str, np.ndarray] = {}  # as Optuna's internal numbers, NaN where a trial lacks one
        self._kinds = np.full(1, _RUNNING, dtype=np.int8)
        self._values = np.zeros(1)  # the objective, of a pruned trial that of its last epoch
        self._steps = np.zeros(1)

    def catch_up(self, study: Study, asked: int) -> None:
        """Note the parameters of all trials below the number `asked`, which do not change any more."""
        self._make_room(asked)
        storage = study._storage
        for number in range(self._asked, asked):
            trial = storage.get_trial(storage.get_trial_id_from_study_id_trial_number(study._study_id, number))
            for name, value in trial.params.items():
                column = self._params.setdefault(name, np.full(len(self._kinds), np.nan))
                column[number] = trial.distributions[name].to_internal_repr(value)
        self._asked = asked

    def end(self, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Note that a trial ended, and with which value."""
        self._make_room(trial.number + 1)
        self._kinds[trial.number] = _KINDS[state]
        if state == TrialState.FAIL:
            return
        if state == TrialState.COMPLETE:
            assert values is not None
            self._values[trial.number] = values[0]
        else:
            step, value = max(trial.intermediate_values.items(), default=(-1, 0.0))
            self._steps[trial.number], self._values[trial.number] = step, value
        taken = trial.distributions
        common = {name: kept for name, kept in self.shared.items() if taken.get(name) == kept}
        self.shared = common if self.ended else taken
        self.ended += 1

    def split(self, good: int, *, sign: int) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the `good` best trials, and of all others, those that run included; both ascending.

        Completed trials come first, by their values, then pruned ones, by how far they came and then by value.
        """
        kinds, values = self._kinds[: self._asked], sign * self._values[: self._asked]
        completed, pruned = (np.flatnonzero(kinds == kind) for kind in (_COMPLETE, _PRUNED))
        completed = completed[np.argsort(values[completed], kind="stable")]
        pruned = pruned[np.lexsort((values[pruned], -self._steps[pruned]))]
        ranked = np.concatenate([completed, pruned])
        others = np.concatenate([ranked[good:], np.flatnonzero(kinds == _RUNNING)])
        return np.sort(ranked[:good]), np.sort(others)

    def observed(self, names: Mapping[str, BaseDistribution], numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The parameters of those of the trials that have all of `names`."""
        columns = {name: self._column(name)[numbers] for name in names}
        has_all = ~np.any([np.isnan(column) for column in columns.values()], axis=0)
        return {name: column[has_all] for name, column in columns.items()}

    def _column(self, name: str) -> np.ndarray:
        return self._params.get(name, np.full(len(self._kinds), np.nan))

    def _make_room(self, count: int) -> None:
        """Let all arrays hold so many trials, and as many again."""
        more = 2 * count - len(self._kinds) if count > len(self._kinds) else 0
        if not more:
            return
        self._kinds = np.pad(self._kinds, (0, more), constant_values=_RUNNING)
        self._values, self._steps = np.pad(self._values, (0, more)), np.pad(self._steps, (0, more))
        self._params = {
            name: np.pad(column, (0, more), constant_values=np.nan) for name, column in self._params.items()
        }
