"""What TPE knows of every trial, noted once as the trial goes on, and how it ranks them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

_RUNNING, _COMPLETE, _PRUNED, _FAILED = range(4)
_KINDS = {TrialState.COMPLETE: _COMPLETE, TrialState.PRUNED: _PRUNED, TrialState.FAIL: _FAILED}
_WHOLE = np.iinfo(np.int64).max
"""The depth of a trial that trained all its epochs, however many they are."""


class Notes:
    """What TPE needs of every trial, as arrays by the trials' numbers. Trials are ranked as Optuna ranks them.

    Losses are values of which less is better, whatever the study's goal is.
    """

    def __init__(self) -> None:
        self.shared: Mapping[str, BaseDistribution] = {}
        """The distributions that all trials have in common which ended with a value."""
        self.ended = 0
        """How many did."""
        self._asked = 0
        self._params: dict[str, np.ndarray] = {}  # as Optuna's internal numbers, NaN where a trial lacks one
        self._kinds = np.full(1, _RUNNING, dtype=np.int8)
        self._losses = np.zeros(1)  # of a pruned trial that of its last epoch
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

    def note(self, number: int, epoch: int, loss: float) -> None:
        """Note the loss of a running trial after an epoch; by Optuna's ranking it counts only when the trial has ended."""

    def end(self, trial: FrozenTrial, state: TrialState, loss: float | None, *, sign: int) -> None:
        """Note that a trial ended, and with which loss if it was completed; `sign` makes losses of its reported values."""
        self._make_room(trial.number + 1)
        self._kinds[trial.number] = _KINDS[state]
        if state == TrialState.FAIL:
            return
        if state == TrialState.COMPLETE:
            assert loss is not None
            self._losses[trial.number] = loss
        else:
            step, value = max(trial.intermediate_values.items(), default=(-1, 0.0))
            self._steps[trial.number], self._losses[trial.number] = step, sign * value
        taken = trial.distributions
        common = {name: kept for name, kept in self.shared.items() if taken.get(name) == kept}
        self.shared = common if self.ended else taken
        self.ended += 1

    def split(self, good: int) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the `good` best trials, and of all others, those that run included; both ascending."""
        ranked = self._ranked()
        is_other = self._kinds[: self._asked] != _FAILED
        is_other[ranked[:good]] = False
        return np.sort(ranked[:good]), np.flatnonzero(is_other)

    def observed(self, names: Mapping[str, BaseDistribution], numbers: np.ndarray) -> dict[str, np.ndarray]:
        """The parameters of those of the trials that have all of `names`."""
        columns = {name: self._column(name)[numbers] for name in names}
        has_all = ~np.any([np.isnan(column) for column in columns.values()], axis=0)
        return {name: column[has_all] for name, column in columns.items()}

    def _ranked(self) -> np.ndarray:
        """The numbers of trials with a loss, the best first: completed ones by their losses, then pruned ones by depth."""
        kinds, losses = self._kinds[: self._asked], self._losses[: self._asked]
        completed, pruned = (np.flatnonzero(kinds == kind) for kind in (_COMPLETE, _PRUNED))
        completed = completed[np.argsort(losses[completed], kind="stable")]
        pruned = pruned[np.lexsort((losses[pruned], -self._steps[pruned]))]
        return np.concatenate([completed, pruned])

    def _column(self, name: str) -> np.ndarray:
        return self._params.get(name, np.full(len(self._kinds), np.nan))

    def _make_room(self, count: int) -> None:
        """Let all arrays hold so many trials, and as many again."""
        more = 2 * count - len(self._kinds) if count > len(self._kinds) else 0
        if not more:
            return
        self._kinds = np.pad(self._kinds, (0, more), constant_values=_RUNNING)
        self._losses, self._steps = np.pad(self._losses, (0, more)), np.pad(self._steps, (0, more))
        self._params = {
            name: np.pad(column, (0, more), constant_values=np.nan) for name, column in self._params.items()
        }


class ByDepth(Notes):
    """Trials are ranked by their best losses at the deepest epoch that `enough` of them have come to, as BOHB compares them.

    That is whether they were pruned, are completed or still run. Those that did not come so far follow, the deepest first. A
    completed trial has come to any epoch, with its best loss. Optuna ranks the few completed trials before all others, and
    takes those that run, which under pruning are the good ones, for bad.

    Reference: Falkner et al., BOHB: robust and efficient hyperparameter optimization at scale, 2018.
    """

    def __init__(self, *, enough: int) -> None:
        super().__init__()
        self._enough = max(enough, 1)
        self._depths = np.zeros(1, dtype=np.int64)  # the last epoch of each, 0 where it has none or failed
        # By number and epoch - 1: the best loss so far, also beyond the last epoch.
        self._best = np.full((1, 1), np.inf)

    def note(self, number: int, epoch: int, loss: float) -> None:
        """Note the loss of a running trial after an epoch, which counts from now on."""
        self._make_room(number + 1)
        self._make_epochs(epoch)
        later = self._best[number, epoch - 1 :]
        np.minimum(later, loss, out=later)
        self._depths[number] = max(self._depths[number], epoch)

    def end(self, trial: FrozenTrial, state: TrialState, loss: float | None, *, sign: int) -> None:
        """As `Notes` has it."""
        super().end(trial, state, loss, sign=sign)
        if state == TrialState.COMPLETE:
            assert loss is not None
            self.note(trial.number, max(1, int(self._depths[trial.number])), loss)
            self._depths[trial.number] = _WHOLE
        elif state == TrialState.FAIL:
            self._depths[trial.number] = 0

    def _ranked(self) -> np.ndarray:
        """The numbers of trials with a loss, the best first."""
        known = np.flatnonzero(self._depths[: self._asked])
        depths = self._depths[known]
        depth = np.sort(depths)[::-1][: self._enough].min(initial=_WHOLE)
        best = self._best[known, min(depth, self._best.shape[1]) - 1]
        return known[np.lexsort((best, -np.minimum(depths, depth)))]

    def _make_room(self, count: int) -> None:
        super()._make_room(count)
        more = len(self._kinds) - len(self._depths)
        if more:
            self._depths = np.pad(self._depths, (0, more))
            self._best = np.pad(self._best, ((0, more), (0, 0)), constant_values=np.inf)

    def _make_epochs(self, count: int) -> None:
        """Let each trial have so many epochs, and as many again; what it has not come to holds its best so far."""
        if count > self._best.shape[1]:
            self._best = np.pad(self._best, ((0, 0), (0, 2 * count - self._best.shape[1])), mode="edge")
