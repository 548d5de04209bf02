"""Looking at the cluster while a study runs on it: nodes that come and go, and a head that is silent. Standard library only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from study.errors import LaunchError
from study.launch.driver import Driver
from study.records import ENDED

_LOOK_SECONDS = 1.0
_DEMAND_SECONDS = 10.0
_EMPTY_SECONDS = 120.0
_LAST_LOOK_SECONDS = 3.0
_MOST_LISTED = 3


class Looked(Protocol):
    """What is looked at of a cluster (`study.launch.cluster.Cluster`)."""

    @property
    def places(self) -> Mapping[str, int]:
        """How many trials fit at once on each node that has room for any, by its name, as of the last look."""

    @property
    def is_shared(self) -> bool:
        """Whether it runs without us."""

    @property
    def is_lost(self) -> bool:
        """Whether its head is silent."""

    @property
    def lost(self) -> LaunchError:
        """What to say of that."""

    def look(self) -> None:
        """Ask for the nodes now."""

    def demand(self, trials: int) -> None:
        """Tell an autoscaler how many trials there are to be run."""


class Watching:
    """Tells the driver of a change, the autoscaler of what is left to do, and ends a study that has nowhere to run."""

    def __init__(self, driver: Driver, cluster: Looked, *, show: Callable[[Driver], None]) -> None:
        """`show` is called once a second, for whoever watches from outside."""
        self._driver = driver
        self._cluster = cluster
        self._show = show
        self._places = dict(cluster.places)
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
        self._note_changes()
        self._look_for_room(now)
        self._show(self._driver)
        if now >= self._demanded + _DEMAND_SECONDS:
            self._demanded = now
            self._cluster.demand(_remaining(self._driver))

    def finish(self) -> None:
        """Tell of nodes that went as the last trials ended, as far as Ray knows yet; a head that is silent is not waited for."""
        if self._cluster.is_shared and not self._cluster.is_lost:
            look = threading.Thread(target=self._cluster.look, name="last look", daemon=True)
            look.start()
            look.join(_LAST_LOOK_SECONDS)
            self._note_changes()

    def _note_changes(self) -> None:
        places = dict(self._cluster.places)
        stayed = {name: room for name, room in self._places.items() if name in places}
        self._note("left", self._places.keys() - stayed.keys(), stayed)
        self._note("joined", places.keys() - stayed.keys(), places)

    def _note(self, change: str, names: Collection[str], places: dict[str, int]) -> None:
        if names:
            fit, did = sum(places.values()), sum(self._places.values())
            self._driver.note(f"{change} the cluster: {_listed(names)}; {fit} trials fit at once, {did} did")
        self._places = places

    def _look_for_room(self, now: float) -> None:
        if self._places:
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


def _listed(names: Collection[str]) -> str:
    """Some nodes in a sentence: a few by name, of many how many."""
    shown = sorted(names)[:_MOST_LISTED]
    others = len(names) - len(shown)
    return f"{', '.join(shown)} and {others} more" if others else ", ".join(shown)


def _remaining(driver: Driver) -> int:
    """How many trials have not ended, of those asked for; of a study without a number, those that run and one more."""
    ended = sum(driver.record.count(state) for state in ENDED)
    return driver.live + 1 if driver.target is None else max(driver.target - ended, 0)
