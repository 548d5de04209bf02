"""The figure `occupancy`: which worker was at which attempt when, or of many how many were at work."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from study.analysis import occupancy, style
from study.analysis.loaded import Loaded
from study.analysis.occupancy import Clock, Occupancy
from study.analysis.plot import Plot, Words
from study.analysis.style import INK, STATES, counted
from study.text import duration

_MOST_ROWS = 24
_MOST_ATTEMPTS = 400
_BINS = 400
_TICKS = 10
_MINUTES, _HOURS, _DAYS = 60, 3600, 86_400
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(step * _MINUTES for step in (1, 2, 5, 10, 15, 30)),
    *(step * _HOURS for step in (1, 2, 4, 6, 12)),
    *(step * _DAYS for step in (1, 2, 5, 10)),
)
"""Seconds between ticks."""
_PAUSE: dict[str, Any] = {"facecolor": "#f4f4f4", "edgecolor": "#c4c4c4", "hatch": "////", "linewidth": 0}
_BAR = "#b4b4b4"
_HEIGHT = 0.72
_STACKED = "those of one stack are below each other; "
_SLATE = "#56718a"
_ABOVE = {"interrupted": 1.02, "failed": 1.055}
_CUT_SHORT = ("failed", "interrupted", "running")


def spells(study: Loaded) -> pd.DataFrame:
    """The attempts in time; one under way goes on to the last thing that the record tells."""
    times = pd.concat([study.epochs["time"], study.attempts["started"], study.attempts["ended"]]).dropna()
    return occupancy.spells(study.attempts, now=times.max() if len(times) else None)


def draw(study: Loaded) -> Figure:
    """A row a worker; of many workers or attempts the number of those at work."""
    found = spells(study)
    clock, rows = Clock.of(found), found["worker"].nunique()
    few = is_few(found)
    figure = Figure(figsize=(10, min(max(2.6, 1.7 + 0.24 * rows), 7.5) if few else 4.0), layout="constrained")
    ax = figure.subplots()
    if few:
        gantt(found, clock, ax=ax)
    else:
        busy(found, clock, ax=ax)
    time_axis(clock, ax=ax)
    counts = f"n = {counted(len(found), 'attempt')} of {rows:,} process{'' if rows == 1 else 'es'}"
    ax.set_title(f"{'What each worker did' if few else 'Workers at a trial'}, {counts}", pad=6 if few else 18)
    style.put_legend(figure, _handles(found, clock, few=few))
    return figure


def is_few(found: pd.DataFrame) -> bool:
    """Whether every attempt can be drawn."""
    return found["worker"].nunique() <= _MOST_ROWS and len(found) <= _MOST_ATTEMPTS


def gantt(found: pd.DataFrame, clock: Clock, *, ax: Axes) -> None:
    """One row a process, by host, with a bar an attempt as it ended, and a mark where it was cut short.

    Trials of one stack lie below each other in their worker's row.
    """
    workers = found.groupby("worker", sort=False).agg(
        host=("host", "first"), pid=("pid", "first"), begin=("begin", "min")
    )
    workers = workers.sort_values(["host", "begin", "pid"])
    rows = {worker: row for row, worker in enumerate(workers.index)}
    lane, of = (occupancy.lanes(found)[name].to_numpy(dtype=float) for name in ("lane", "of"))
    height = _HEIGHT / of
    y = found["worker"].map(rows).to_numpy(dtype=float) + (lane + 0.5) * height - _HEIGHT / 2
    left, right = clock.place(found["begin"]), clock.place(found["end"])
    colours = [_BAR if outcome == "pruned" else STATES[outcome].colour for outcome in found["outcome"]]
    ax.barh(y, right - left, left=left, height=height, color=colours, edgecolor="white", linewidth=0.5, zorder=2)
    for outcome in _CUT_SHORT:
        of = (found["outcome"] == outcome).to_numpy()
        ax.scatter(
            right[of],
            y[of],
            24,
            marker=STATES[outcome].marker,
            color=STATES[outcome].colour,
            edgecolor="white",
            linewidth=0.6,
            zorder=3,
        )
    ax.set_yticks(
        range(len(workers)),
        [f"{host}, process {pid}" for host, pid in zip(workers["host"], workers["pid"], strict=True)],
    )
    ax.set_ylim(max(len(workers), 1) - 0.4, -0.6)
    ax.grid(visible=False)
    if found.empty:
        style.say_empty(ax, "no worker has begun a trial yet")


def busy(found: pd.DataFrame, clock: Clock, *, ax: Axes) -> None:
    """How many workers were at a trial, averaged over short stretches; failures and interruptions are marked above."""
    ran = sum(end - begin for begin, end in clock.blocks())
    for begin, end in clock.blocks():
        edges = np.linspace(begin, end, max(2, round(_BINS * (end - begin) / ran)) if ran else 2)
        if end > begin:
            ax.stairs(occupancy.busy_workers(found, edges), clock.place(edges), fill=True, color=_SLATE)
    most = occupancy.measure(found).most
    ax.set_ylim(0, 1.05 * most)
    ax.yaxis.set_major_locator(style.whole_numbers())
    ax.set_ylabel("workers at a trial")
    look: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "clip_on": False, "linewidth": 0}
    for outcome, height in _ABOVE.items():
        x, mark = clock.place(found.loc[found["outcome"] == outcome, "end"]), STATES[outcome]
        ax.scatter(
            x,
            np.full(len(x), height),
            12,
            marker=mark.marker,
            color=mark.colour,
            rasterized=len(x) > style.MANY,
            **look,
        )


def time_axis(clock: Clock, *, ax: Axes) -> None:
    """Wall-clock time since the first attempt, with each pause as a hatched band that tells its length."""
    ran = sum(end - begin for begin, end in clock.blocks())
    step = next((step for step in _STEPS if step * _TICKS >= ran), _STEPS[-1] * math.ceil(ran / _STEPS[-1] / _TICKS))
    ticks = [tick for begin, end in clock.blocks() for tick in _ticks(begin, end, step) or [round(begin)]]
    larger = 60 if step < 60 else 3600
    ax.set_xticks(clock.place(ticks), [f"{tick // larger:,}:{tick % larger * 60 // larger:02}" for tick in ticks])
    ax.set_xlabel(f"{'minutes:seconds' if step < 60 else 'hours:minutes'} since the first attempt began")
    end = float(clock.place(clock.last))
    ax.set_xlim(-0.01 * end, 1.01 * end or 1.0)
    look: dict[str, Any] = {
        "transform": ax.get_xaxis_transform(),
        "ha": "center",
        "va": "center",
        "rotation": 90,
        "fontsize": 8,
    }
    for begin, stop in clock.pauses:
        low, high = clock.place([begin, stop])
        ax.axvspan(low, high, zorder=0.5, **_PAUSE)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
        ax.text((low + high) / 2, 0.5, f"{duration(stop - begin)} pause", color=INK, bbox=box, zorder=1, **look)


def _ticks(begin: float, end: float, step: int) -> list[int]:
    """The multiples of a step between two moments."""
    return [step * count for count in range(math.ceil(begin / step), math.floor(end / step) + 1)]


def _handles(found: pd.DataFrame, clock: Clock, *, few: bool) -> list[Artist]:
    present = set(found["outcome"])
    handles: list[Artist] = []
    if few:
        handles += [
            Patch(color=_BAR if name == "pruned" else STATES[name].colour, label=name)
            for name in STATES
            if name in present
        ]
    else:
        looks = {name: STATES[name] for name in _ABOVE if name in present}
        handles += [
            Line2D(
                [], [], color=mark.colour, marker=mark.marker, markersize=4, linestyle="none", label=f"{name} (above)"
            )
            for name, mark in looks.items()
        ]
    if clock.pauses:
        handles.append(Patch(label="nothing ran; shortened", **_PAUSE))
    return handles


def tell(study: Loaded) -> Words:
    """Which share of their time the workers were at a trial."""
    found = spells(study)
    told = answer(occupancy.measure(found))
    is_stacked = bool((occupancy.lanes(found)["of"] > 1).any())
    drawn = (
        f"A row a process, by host, with a bar an attempt; {_STACKED if is_stacked else ''}marks are where one was cut short."
        if is_few(found)
        else "How many workers were at a trial, averaged over short stretches of time."
    )
    reading = (
        f"{drawn} Between two pauses as many workers count as were ever at work at one time; what lies between being at a trial "
        "and its epochs is starting up, loading, and writing checkpoints."
    )
    return Words(told, reading, f"When workers were at work. {told}")


def answer(seen: Occupancy) -> str:
    """How busy the workers were, in one sentence."""
    if math.isnan(seen.busy):
        return "No worker has spent any time on a trial yet."
    workers = f"at most {seen.most} at a time" if seen.most > 1 else "one at a time"
    epochs = f", and in epochs for {100 * seen.training:.0f} %" if seen.training <= seen.busy else ""
    counts = f"n = {counted(seen.attempts, 'attempt')} on {counted(seen.hosts, 'host')}"
    told = f"The workers ({workers}) were at a trial for {100 * seen.busy:.0f} % of {duration(seen.seconds)}{epochs} ({counts})"
    if seen.pauses:
        left_out = "is left out" if seen.pauses == 1 else "are left out"
        told += f"; {counted(seen.pauses, 'pause')} of {duration(seen.paused)} in all, in which nothing ran, {left_out}"
    return told + "."


def _applies(study: Loaded) -> bool:
    return not study.attempts.empty


PLOT = Plot("occupancy", "Were the workers busy?", draw, tell, _applies)
