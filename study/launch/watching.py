"""Looking at the cluster while a study runs on it: nodes that come and go, and a head that is silent. Standard library only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from study.errors import LaunchError
from study.launch.driver import Driver
from study.records import ENDED

_LOOK_SECONDS = 1.0
_DEMAND_SECONDS = 10.0
_EMPTY_SECONDS = 120.0


class Looked(Protocol):
    """What is looked at of a cluster (`study.launch.cluster.Cluster`)."""

    @property
    def capacity(self) -> int:
        """How many trials fit at once."""

    @property
    def is_shared(self) -> bool:
        """Whether it runs without us."""

    @property
    def is_lost(self) -> bool:
        """Whether its head is silent."""

    @property
    def lost(self) -> LaunchError:
        """What to say of that."""

    def demand(self, trials: int) -> None:
        """Tell an autoscaler how many trials there are to be run."""


class Watching:
    """Tells the driver of a change, the autoscaler of what is left to do, and ends a study that has nowhere to run."""

    def __init__(self, driver: Driver, cluster: Looked, *, show: Callable[[Driver], None]) -> None:
        """`show` is called once a second, for whoever watches from outside."""
        self._driver = driver
        self._cluster = cluster
        self._show = show
        self._capacity = cluster.capacity
        self._looked = self._demanded = float("-inf")
        self._empty_since: float | None = None

    def look(self) -> None:
        """Look at the cluster, if it was not looked at just now. To be called several times a second."""
        now = time.monotonic()
        if not self._cluster.is_shared or now < self._looked + _LOOK_SECONDS:
            return
        self._looked = now
        if self._cluster.is_lost:
            self._driver.ending.give_up(self._cluster.lost)
            return
        self._follow(self._cluster.capacity, now)
        self._show(self._driver)
        if now >= self._demanded + _DEMAND_SECONDS:
            self._demanded = now
            self._cluster.demand(_remaining(self._driver))

    def _follow(self, capacity: int, now: float) -> None:
        if capacity != self._capacity:
            change = "joined" if capacity > self._capacity else "left"
            self._driver.note(f"nodes {change} the cluster: {capacity} trials fit at once, {self._capacity} did")
            self._capacity = capacity
        if capacity:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = now
        elif now > self._empty_since + _EMPTY_SECONDS:
            self._driver.ending.give_up(
                LaunchError(
                    f"no node that a trial fits on has been in the cluster for {_EMPTY_SECONDS:.0f} s",
                    hint="the record is whole: once there is one again, study resume goes on",
                )
            )


def _remaining(driver: Driver) -> int:
    """How many trials have not ended, of those asked for; of a study without a number, those that run and one more."""
    ended = sum(driver.record.count(state) for state in ENDED)
    return driver.live + 1 if driver.target is None else max(driver.target - ended, 0)
