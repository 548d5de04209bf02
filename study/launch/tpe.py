"""Optuna's TPE without looking at every trial anew for each that is asked, and with a ranking of trials that differ in epochs.

`TPESampler` walks over all trials several times an ask, in Python. Here each trial is noted as it goes on
(`study.launch.trial_notes`). What is drawn, and from which densities, is Optuna's own; to the bit, if trials are ranked its way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from study.launch.trial_notes import ByDepth, Notes

_ENOUGH = 10
"""How many trials must have come to an epoch for all to be compared by it; chosen by docs/search-efficiency.md."""


class NotingTPE(TPESampler):
    """Optuna's `TPESampler(multivariate=True, constant_liar=True)` for one study that is asked by one caller."""

    def __init__(self, *, seed: int, startup_trials: int, notes: Notes | None = None) -> None:
        """Trials are ranked as `notes` have it: by depth, unless others are given."""
        super().__init__(seed=seed, n_startup_trials=startup_trials, multivariate=True, constant_liar=True)
        self._notes = notes or ByDepth(enough=_ENOUGH)

    def note(self, study: Study, number: int, epoch: int, value: float) -> None:
        """Note the value of a running trial after an epoch."""
        self._notes.note(number, epoch, _sign(study) * value)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        """The parameters that all trials have which ended with a value, by name."""
        return {name: taken for name, taken in sorted(self._notes.shared.items()) if not taken.single()}

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Note how a trial ended."""
        super().after_trial(study, trial, state, values)
        self._notes.end(trial, state, None if values is None else _sign(study) * values[0], sign=_sign(study))

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
        below, above = self._notes.split(_gamma(self._notes.ended))
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


def _sign(study: Study) -> int:
    """What makes of a value a loss, of which less is better."""
    return 1 if study.direction == StudyDirection.MINIMIZE else -1
