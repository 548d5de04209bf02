"""The service's optimizer, with what a search space does not offer: settings that were tried and are not the default."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import optuna

from study.launch.optimizer import Optimizer
from study.space import Space


class Varied(Optimizer):
    """An optimizer whose sampler, whose pruner, or whose pruned trials are other than ours."""

    def __init__(
        self,
        space: Space,
        *,
        sampler: Mapping[str, Any] | None = None,
        judges_latest: bool = False,
        completes_pruned: bool = False,
    ) -> None:
        """`sampler` are arguments of Optuna's own TPE.

        With `judges_latest` a trial is judged at a rung by its latest value, not by its best so far. With `completes_pruned` a
        pruned trial is told as a completed one, with its best value, as Ray Tune's OptunaSearch does with its last.
        """
        super().__init__(space)
        if sampler is not None:
            startup = space.sampler.options["startup_trials"]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self.study.sampler = optuna.samplers.TPESampler(seed=space.seed, n_startup_trials=startup, **sampler)
        if judges_latest:
            options = space.pruner.options
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
