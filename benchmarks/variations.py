"""The service's optimizer, with what a search space does not offer: settings that were tried and are not the default."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna

from study.launch.optimizer import Optimizer
from study.space import Space


class Varied(Optimizer):
    """An optimizer whose sampler, whose pruner's values, or whose pruned trials are other than ours."""

    def __init__(
        self,
        space: Space,
        *,
        sampler: Mapping[str, Any] | None = None,
        judges_best: bool = False,
        completes_pruned: bool = False,
    ) -> None:
        """`sampler` are arguments of Optuna's own TPE.

        With `judges_best` the pruner is told the best value so far of each trial, not the latest. With `completes_pruned` a
        pruned trial is told as a completed one, with its best value, as Ray Tune's OptunaSearch does with its last.
        """
        super().__init__(space)
        if sampler is not None:
            startup = space.sampler.options["startup_trials"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.sampler = optuna.samplers.TPESampler(seed=space.seed, n_startup_trials=startup, **sampler)
        self._judges_best = judges_best
        self._completes_pruned = completes_pruned
        self._best: dict[int, float] = {}

    def report(self, number: int, epoch: int, value: float) -> bool:
        self._best[number] = min(value, self._best.get(number, value))
        return super().report(number, epoch, self._best[number] if self._judges_best else value)

    def prune(self, number: int) -> None:
        if self._completes_pruned:
            self.complete(number, self._best[number])
        else:
            super().prune(number)
