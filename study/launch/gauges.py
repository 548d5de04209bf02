"""A running study in Ray's own metrics, which each node of a cluster serves to Prometheus (with ray[default])."""

from __future__ import annotations

import time
from collections import deque

from ray.util.metrics import Gauge

from study.launch.driver import Driver
from study.records import best_first
from study.trials import STATES

_WINDOW_SECONDS = 30.0


class Gauges:
    """Trials by state, the best value so far, and epochs a second. Prometheus sees them with `ray_` in front."""

    def __init__(self, study: str) -> None:
        self._study = {"study": study}
        self._trials = Gauge("study_trials", "Trials of a study by their state.", tag_keys=("study", "state"))
        self._best = Gauge("study_best_value", "The objective of a study's best completed trial.", tag_keys=("study",))
        self._speed = Gauge("study_epochs_per_second", "Epochs that a study's workers train.", tag_keys=("study",))
        self._trained: deque[tuple[float, int]] = deque()

    def show(self, driver: Driver) -> None:
        """Tell Ray how the study stands."""
        for state in STATES:
            self._trials.set(driver.record.count(state), {**self._study, "state": state})
        best = next(best_first(driver.record.trials.values(), goal=driver.space.objective.goal), None)
        if best is not None and best.value is not None:
            self._best.set(best.value, self._study)
        self._speed.set(self._rate(time.monotonic(), driver.record.trained), self._study)

    def _rate(self, now: float, trained: int) -> float:
        """Epochs a second over the last half minute."""
        self._trained.append((now, trained))
        while now - self._trained[0][0] > _WINDOW_SECONDS:
            self._trained.popleft()
        began, before = self._trained[0]
        return (trained - before) / (now - began) if now > began else 0.0
