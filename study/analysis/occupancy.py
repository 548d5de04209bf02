"""When workers were busy: the time of each attempt, the pauses between sessions, and how many were at work. Draws nothing.

Times are seconds since the first attempt began.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_LEAST_PAUSE = 60.0
_PAUSE_SHARE = 0.02  # of the time in which anything ran


def spells(attempts: pd.DataFrame, *, now: pd.Timestamp | None = None) -> pd.DataFrame:
    """The attempts with `begin`, `end` and `worker` (host and process), in order of begin.

    One under way ends `now`, by default when the last of all attempts began or ended.
    """
    latest = now if now is not None else pd.concat([attempts["started"], attempts["ended"]]).max()
    zero = attempts["started"].min()
    begin = (attempts["started"] - zero).dt.total_seconds()
    end = (attempts["ended"].fillna(latest) - zero).dt.total_seconds()
    worker = attempts["host"] + ":" + attempts["pid"].astype("string")
    found = attempts.assign(begin=begin, end=np.maximum(begin, end), worker=worker)
    return found.sort_values(["begin", "number"], ignore_index=True)


def pauses(spells: pd.DataFrame) -> list[tuple[float, float]]:
    """Begin and end of each stretch without any attempt that is too long to be a moment between two: no driver was at work.

    That is a minute or more, and 2 % or more of the time in which anything ran.
    """
    idle: list[tuple[float, float]] = []
    heard = 0.0
    for begin, end in zip(spells["begin"], spells["end"], strict=True):
        if begin > heard:
            idle.append((heard, begin))
        heard = max(heard, end)
    ran = heard - sum(end - begin for begin, end in idle)
    least = max(_LEAST_PAUSE, _PAUSE_SHARE * ran)
    return [(begin, end) for begin, end in idle if end - begin >= least]


def stints(spells: pd.DataFrame) -> pd.DataFrame:
    """`begin` and `end` of each stretch for which a worker was at one attempt or, in a stack, at several."""
    found: list[tuple[float, float]] = []
    for _, own in spells.groupby("worker", sort=False):
        begin, end = (own[name].to_numpy(dtype=np.float64) for name in ("begin", "end"))
        heard = np.maximum.accumulate(end)
        first = np.concatenate([[True], begin[1:] >= heard[:-1]])
        found += zip(begin[first], heard[np.concatenate([first[1:], [True]])], strict=True)
    return pd.DataFrame(found, columns=["begin", "end"], dtype=np.float64)


def lanes(spells: pd.DataFrame) -> pd.DataFrame:
    """The `lane` of each spell among those of its worker at the same time, from 0, and of how many `of`; rows as given.

    A worker that is at one attempt at a time has one lane, one that trains stacks as many as the largest has members.
    """
    lane = pd.Series(0, index=spells.index, dtype=np.int64)
    of = pd.Series(1, index=spells.index, dtype=np.int64)
    for _, own in spells.groupby("worker", sort=False):
        free: list[float] = []
        for row, begin, end in zip(own.index, own["begin"], own["end"], strict=True):
            lane[row] = next((number for number, since in enumerate(free) if since <= begin), len(free))
            free[lane[row] : lane[row] + 1] = [end]
        of[own.index] = len(free)
    return pd.DataFrame({"lane": lane, "of": of})


@dataclass(frozen=True)
class Occupancy:
    """How busy the workers of a study were, pauses left out."""

    attempts: int
    workers: int
    """Processes that began an attempt."""
    hosts: int
    most: int
    """Workers that were at an attempt at one time."""
    seconds: float
    """Wall-clock time but for the pauses."""
    paused: float
    """Seconds of the pauses, of which there are `pauses`."""
    pauses: int
    busy: float
    """Share of the workers' time that they were at an attempt; of each session as many workers count as were ever busy
    at one time in it. NaN where no time has passed."""
    training: float
    """Share of that time spent in epochs."""


def measure(spells: pd.DataFrame) -> Occupancy:
    """Count the workers' time."""
    found, at_work = pauses(spells), stints(spells)
    last = float(spells["end"].max()) if len(spells) else 0.0
    begins = [0.0, *(end for _, end in found)]
    ends = [*(begin for begin, _ in found), last]
    peaks = [
        _peak(at_work[(at_work["begin"] >= begin) & (at_work["end"] <= end)])
        for begin, end in zip(begins, ends, strict=True)
    ]
    capacity = sum(peak * (end - begin) for peak, begin, end in zip(peaks, begins, ends, strict=True))
    busy = float((at_work["end"] - at_work["begin"]).sum())
    paused = sum(end - begin for begin, end in found)
    return Occupancy(
        attempts=len(spells),
        workers=spells["worker"].nunique(),
        hosts=spells["host"].nunique(),
        most=max(peaks, default=0),
        seconds=last - paused,
        paused=paused,
        pauses=len(found),
        busy=busy / capacity if capacity else float("nan"),
        training=float(spells["seconds"].sum()) / capacity if capacity else float("nan"),
    )


def busy_workers(spells: pd.DataFrame, edges: FloatArray) -> FloatArray:
    """How many workers were busy between each two edges, on the average over time."""
    at_work = stints(spells)
    begin, end = (np.sort(at_work[name].to_numpy(dtype=np.float64)) for name in ("begin", "end"))
    spent = _elapsed(begin, edges) - _elapsed(end, edges)
    busy: FloatArray = np.diff(spent) / np.diff(edges)
    return busy


def _elapsed(moments: FloatArray, until: FloatArray) -> FloatArray:
    """The seconds since each moment that lies before, added up, at each time of `until`; moments are sorted."""
    count = np.searchsorted(moments, until, side="right")
    total = np.concatenate([[0.0], np.cumsum(moments)])
    elapsed: FloatArray = count * until - total[count]
    return elapsed


def _peak(stints: pd.DataFrame) -> int:
    """Most of them at one time; one that begins as another ends takes its place."""
    changes: list[tuple[float, int]] = [(time, -1) for time in stints["end"]]
    changes += [(time, 1) for time in stints["begin"]]
    now = most = 0
    for _, change in sorted(changes):
        now += change
        most = max(most, now)
    return most


@dataclass(frozen=True)
class Clock:
    """Wall-clock time on an axis that is short where nothing ran."""

    pauses: tuple[tuple[float, float], ...]
    last: float
    width: float
    """Of a pause on the axis, in seconds."""

    @classmethod
    def of(cls, spells: pd.DataFrame) -> Clock:
        """The clock of a study; a pause takes as much of the axis as a thirtieth of what ran."""
        found, last = pauses(spells), float(spells["end"].max()) if len(spells) else 0.0
        ran = last - sum(end - begin for begin, end in found)
        return cls(tuple(found), last, ran / 30)

    def place(self, seconds: Any) -> FloatArray:
        """Where moments lie on the axis, in seconds of what ran before them."""
        knots, places = [0.0], [0.0]
        for begin, end in self.pauses:
            knots += [begin, end]
            places += [places[-1] + begin - knots[-3], places[-1] + begin - knots[-3] + self.width]
        knots.append(max(self.last, knots[-1] + 1e-9))
        places.append(places[-1] + knots[-1] - knots[-2])
        return np.interp(np.asarray(seconds, dtype=np.float64), knots, places)

    def blocks(self) -> list[tuple[float, float]]:
        """Begin and end of each stretch between pauses."""
        begins = [0.0, *(end for _, end in self.pauses)]
        return list(zip(begins, [*(begin for begin, _ in self.pauses), self.last], strict=True))
