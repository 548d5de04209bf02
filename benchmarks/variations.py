"""The service's optimizer, with what a search space does not offer: settings that were tried and are not the default."""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.study import StudyDirection

from study.launch.halving import Halving
from study.launch.optimizer import Optimizer
from study.launch.tpe import NotingTPE
from study.launch.trial_notes import ByDepth, Notes
from study.space import Space


class Quota(Halving):
    """Halving that lets as many beyond a rung as synchronous halving would, of all trials that have come to the first rung.

    With a factor of three: of these a third goes on beyond the first rung, a ninth beyond the second.
    """

    def _is_promoted(self, value: float, values: list[float], direction: StudyDirection) -> bool:
        rung = next(index for index, each in enumerate(self._rungs.values()) if each is values)
        places = max(len(self._rungs[0, 0]) // self._factor ** (rung + 1), 1)
        is_maximized = direction == StudyDirection.MAXIMIZE
        rank = len(values) - bisect_left(values, value) if is_maximized else bisect_right(values, value)
        return rank <= places


class Varied(Optimizer):
    """An optimizer whose sampler, whose pruner, or whose pruned trials are other than ours."""

    def __init__(
        self,
        space: Space,
        *,
        sampler_of: Mapping[str, Any] | None = None,
        ranks_by_depth: bool = True,
        enough: int | None = None,
        has_quota: bool = False,
        judges_latest: bool = False,
        completes_pruned: bool = False,
    ) -> None:
        """`sampler_of` are arguments of Optuna's own TPE. Without `ranks_by_depth` trials are ranked as Optuna ranks them.

        `enough` trials must have come to the epoch by which all are compared. With `has_quota` halving goes by `Quota`. With
        `judges_latest` a trial is judged at a rung
        by its latest value, not by its best so far. With `completes_pruned` a pruned trial is told as a completed one, with its
        best value, as Ray Tune's OptunaSearch does with its last.
        """
        super().__init__(space)
        if isinstance(self.study.sampler, NotingTPE):
            if not ranks_by_depth:
                self.study.sampler._notes = Notes()
            elif enough is not None:
                self.study.sampler._notes = ByDepth(enough=enough)
        if sampler_of is not None:
            startup = space.sampler.options["startup_trials"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.sampler = optuna.samplers.TPESampler(seed=space.seed, n_startup_trials=startup, **sampler_of)
        options = space.pruner.options
        if has_quota:
            self.study.pruner = Quota(**options)
        if judges_latest:
            self.study.pruner = optuna.pruners.SuccessiveHalvingPruner(
                min_resource=options["min_epochs"], reduction_factor=options["reduction_factor"]
            )
        self._completes_pruned = completes_pruned
        self._best: dict[int, float] = {}

    def report(self, number: int, epoch: int, value: float) -> bool:
        self._best[number] = min(value, self._best.get(number, value))
        return super().report(number, epoch, value)

    def prune(self, number: int) -> None:
        if self._completes_pruned:
            self.complete(number, self._best[number])
        else:
            super().prune(number)
