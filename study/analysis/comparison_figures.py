"""The figures of a comparison: how each study's best fell, how its values lie, and how its trials learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from colournet.palette_name import PaletteName
from study.analysis import comparison_summaries as sums
from study.analysis import comparison_words as words
from study.analysis import ranges, style, summaries
from study.analysis.comparability import MOST_STUDIES
from study.analysis.comparison import Compared, Comparison
from study.analysis.measure import Measure
from study.analysis.ranges import Range
from study.analysis.style import INK, Mark, counted

FloatArray = NDArray[np.float64]

STUDIES: Sequence[Mark] = (
    Mark("#0173b2", "o", "-"),
    Mark("#de8f05", "s", (0, (5, 1.5))),
    Mark("#029e73", "^", (0, (1, 1))),
    Mark("#cc78bc", "D", (0, (6, 1.5, 1, 1.5))),
    Mark("#222222", "v", (0, (2.5, 1))),
    Mark("#56b4e9", "P", (0, (8, 2))),
    Mark("#d55e00", "X", (0, (4, 1, 1, 1, 1, 1))),
    Mark("#949494", "*", (0, (3, 3))),
)
"""How each study is drawn, in the order in which they are named: by colour, marker and line, any one of which tells it."""

_MOST_BANDS = 3
_LONGEST_LABEL = 34
_WIDE = 10.0  # from a ratio of so much between the studies' ends an axis is logarithmic
_LEAST_BOX = 5
_UNITS = ((7200.0, 3600.0, "hours"), (180.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


@dataclass(frozen=True)
class Picture:
    """One figure of a comparison."""

    name: str
    """Of its files, without their ending."""
    question: str
    draw: Callable[[Comparison], Figure]
    """Called within `style.styled()`."""
    answer: Callable[[Comparison], str]
    """The question's, in a sentence or two computed from the data."""
    reading: str
    """What is drawn, and what is left out."""


def write(comparison: Comparison, target: Path) -> list[Path]:
    """Draw all figures into the folder `target`, as PNG and SVG; the same studies, the same bytes."""
    with style.styled():
        return [path for one in PICTURES for path in style.save(one.draw(comparison), target / one.name)]


def _progress(comparison: Comparison) -> Figure:
    """Best so far against the trials asked, and against workers' time."""
    measure, goal = comparison.measure, comparison.measure.goal
    asked = {one.label: sums.by_asked(one.loaded.trials, goal=goal) for one in comparison}
    cost = {one.label: sums.by_cost(one.loaded.trials, one.loaded.epochs, goal=goal) for one in comparison}
    span = _range(comparison, [*asked.values(), *cost.values()])
    figure, left, right = _two_panels(measure, span)
    longest = max((table["worker_seconds"].max() for table in cost.values() if len(table)), default=0.0)
    _, second, unit = next(found for found in _UNITS if longest >= found[0])
    cost = {label: table.assign(worker_time=table["worker_seconds"] / second) for label, table in cost.items()}
    for ax, tables, column in ((left, asked, "asked"), (right, cost, "worker_time")):
        for mark, one in zip(STUDIES, comparison, strict=False):
            _steps(sums.steps(tables[one.label]), column, mark, measure, ax=ax)
        _set_range(ax, [table[column].max() for table in tables.values() if len(table)])
        _floors(comparison, span, ax=ax)
    if left.get_xscale() == "linear":
        left.xaxis.set_major_locator(style.whole_numbers())
    left.set_xlabel("trials asked")
    right.set_xlabel(f"workers' time ({unit})")
    left.set_title(f"Best completed among the first trials, n = {_ns(len(one.loaded.trials) for one in comparison)}")
    right.set_title(f"Best completed by then, n = {_ns(one.totals['completed'] for one in comparison)} completed")
    return _finish(figure, (left, right), comparison, span, [*asked.values(), *cost.values()])


def _steps(table: pd.DataFrame, column: str, mark: Mark, measure: Measure, *, ax: Axes) -> None:
    """A line that falls at each new best; marked there and where the study stands, but for a long one's middle."""
    every = max(1, len(table) // 12)
    look = {"color": mark.colour, "linestyle": mark.line, "marker": mark.marker}
    values = table["best"] * measure.factor
    ax.step(table[column], values, where="post", linewidth=1.9, markersize=5, markevery=every, zorder=3, **look)


def _values(comparison: Comparison) -> Figure:
    """Every completed trial's value, a row a study."""
    measure = comparison.measure
    values = [np.asarray(one.completed_values * measure.factor, dtype=np.float64) for one in comparison]
    every = np.concatenate(values)
    single = None if measure.floor is None else measure.floor * measure.factor
    core = np.concatenate([_better_half(found, measure) for found in values])
    span = ranges.readable(every, goal=measure.goal, floor=single, core=core)
    figure = Figure(figsize=(9.6, 1.9 + 0.62 * len(values)), layout="constrained")
    ax = figure.subplots()
    if span.log:
        ax.set_xscale("log")
        style.set_log_ticks(ax.xaxis, span.low, span.high)
    ax.set_xlim(span.low, span.high)
    for row, (mark, found) in enumerate(zip(STUDIES, values, strict=False)):
        _strip(found, row, mark, span, ax=ax)
    names = [f"{_short(one.label)}\nn = {one.totals['completed']:,}{_beside(one)}" for one in comparison]
    ax.set_yticks(range(len(values)), names)
    ax.set_ylim(len(values) - 0.5, -0.5)
    ax.grid(axis="x")
    ax.grid(axis="y", visible=False)
    ax.set_xlabel(measure.label)
    cut = span.cut(every)
    outside = f"; {counted(cut, 'value')} off the scale" if cut else ""
    ax.set_title(f"Completed trials at their best epoch, n = {_ns(len(found) for found in values)}{outside}")
    handles = _floor_handles(measure, span)
    for handle, floor in zip(handles, measure.floors.values(), strict=True):
        ax.axvline(floor * measure.factor, color=handle.get_color(), linestyle=(0, (6, 3)), linewidth=1.4, zorder=1.5)
    if not len(every):
        style.say_empty(ax, "no trial has completed")
    style.put_legend(figure, handles)
    return figure


def _better_half(values: FloatArray, measure: Measure) -> FloatArray:
    half = (len(values) + 1) // 2
    return np.sort(values)[:half] if measure.is_minimized else np.sort(values)[len(values) - half :]


def _strip(values: FloatArray, row: int, mark: Mark, span: Range, *, ax: Axes) -> None:
    """The points of one row, shaken apart by a fixed seed, and a box of median, quartiles and 5 to 95 % where they are many."""
    many = len(values) > style.MANY
    shift = np.random.default_rng(row).uniform(-0.22, 0.22, len(values))
    inside = (values >= span.low) & (values <= span.high)
    look: dict[str, Any] = {"color": mark.colour, "alpha": 0.3 if many else 0.75, "rasterized": many, "zorder": 3}
    look |= {"linewidths": 0.0, "s": 8 if many else 30}
    ax.scatter(values[inside], row + shift[inside], marker=mark.marker, **look)
    for beyond, marker, edge in ((values > span.high, ">", span.high), (values < span.low, "<", span.low)):
        ax.scatter(np.full(beyond.sum(), edge), row + shift[beyond], marker=marker, clip_on=False, **look)
    if len(values) >= _LEAST_BOX:
        _box(values, row, ax=ax)


def _box(values: FloatArray, row: int, *, ax: Axes) -> None:
    low, q1, median, q3, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    half = 0.3
    ax.plot([low, q1, np.nan, q3, high], [row] * 5, color=INK, linewidth=1.1, zorder=4)
    ax.add_patch(Rectangle((q1, row - half), q3 - q1, 2 * half, fill=False, edgecolor=INK, linewidth=1.1, zorder=4))
    ax.plot([median, median], [row - half, row + half], color=INK, linewidth=2.4, zorder=4)


def _beside(study: Compared) -> str:
    told = [f"{study.totals[state]:,} {state}" for state in ("pruned", "failed") if study.totals[state]]
    return f" (not shown: {', '.join(told)})" if told else ""


def _epochs(comparison: Comparison) -> Figure:
    """The envelope of all trials, and the course of the completed ones."""
    measure = comparison.measure
    wanted = {"metric": measure.metric, "goal": measure.goal}
    best = [summaries.envelope(one.loaded.epochs, **wanted) for one in comparison]
    course = [summaries.quartiles_by_epoch(one.loaded.epochs, **wanted) for one in comparison]
    inner = [table.rename(columns={"median": "best"}) for table in course]
    span = _range(comparison, [*best, *inner])
    figure, left, right = _two_panels(measure, span)
    last = max((int(table["epoch"].max()) for table in best if len(table)), default=1)
    for mark, table, quartiles in zip(STUDIES, best, course, strict=False):
        look = {"color": mark.colour, "linestyle": mark.line, "marker": mark.marker, "markersize": 5, "linewidth": 1.9}
        left.plot(table["epoch"], table["best"] * measure.factor, markevery=max(1, len(table) // 12), **look)
        values = quartiles[["q1", "median", "q3"]].astype(float) * measure.factor
        right.plot(quartiles["epoch"], values["median"], markevery=max(1, len(quartiles) // 12), **look)
        if len(course) <= _MOST_BANDS:
            right.fill_between(
                quartiles["epoch"].astype(float), values["q1"], values["q3"], color=mark.colour, alpha=0.15, linewidth=0
            )
    for ax in (left, right):
        style.set_epoch_axis(ax, last)
        ax.set_xlabel("epoch")
        _floors(comparison, span, ax=ax)
    trained = (one.loaded.epochs["number"].nunique() for one in comparison)
    left.set_title(f"Best of any trial by then, n = {_ns(trained)}{_outside(best, measure, span)}")
    band = " and quartiles" if len(course) <= _MOST_BANDS else ""
    done = _ns(one.totals["completed"] for one in comparison)
    right.set_title(f"Median{band} of completed trials, n = {done}{_outside(inner, measure, span)}")
    return _finish(figure, (left, right), comparison, span, [*best, *inner])


def _two_panels(measure: Measure, span: Range) -> tuple[Figure, Axes, Axes]:
    figure = Figure(figsize=(10, 4.7), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    style.set_value_axis(left, span)
    left.set_ylabel(measure.label)
    return figure, left, right


def _finish(
    figure: Figure, axes: Sequence[Axes], comparison: Comparison, span: Range, tables: Sequence[pd.DataFrame]
) -> Figure:
    """Put the legend below; tell in each empty panel that it is."""
    handles = [
        Line2D(
            [], [], color=mark.colour, linestyle=mark.line, marker=mark.marker, markersize=5, label=_short(one.label)
        )
        for mark, one in zip(STUDIES, comparison, strict=False)
    ]
    handles += _floor_handles(comparison.measure, span)
    style.put_legend(figure, handles)
    if all(table["best"].isna().all() for table in tables):
        for ax in axes:
            style.say_empty(ax, "no trial has completed")
    return figure


def _range(comparison: Comparison, tables: Sequence[pd.DataFrame]) -> Range:
    """The axis of all curves, that of the floor if there is one; a first value far from the rest may lie off it."""
    measure = comparison.measure
    values = pd.concat([table["best"].astype(float) for table in tables]) * measure.factor
    floor = None if measure.floor is None else measure.floor * measure.factor
    return ranges.readable(values, goal=measure.goal, floor=floor)


def _floors(comparison: Comparison, span: Range, *, ax: Axes) -> None:
    """A dashed line at each palette's floor that lies on the axis."""
    for name, value in comparison.measure.floors.items():
        one = replace(comparison.measure, floors={name: value})
        style.draw_floor(ax, one, _with_floor(span, value * one.factor))


def _floor_handles(measure: Measure, span: Range) -> list[Line2D]:
    """The floors' entries in a legend, where there are several each with its palette."""
    handles = []
    for name, value in measure.floors.items():
        one = replace(measure, floors={name: value})
        for handle in style.floor_handle(one, _with_floor(span, value * one.factor)):
            if len(measure.floors) > 1:
                handle.set_label(f"{handle.get_label()}, {PaletteName.parse(name).words}")
            handles.append(handle)
    return handles


def _with_floor(span: Range, value: float) -> Range:
    return replace(span, floor_shown=span.low <= value <= span.high)


def _set_range(ax: Axes, ends: Sequence[float]) -> None:
    """An axis from nothing to the furthest end; logarithmic where one study is far longer than another."""
    found = [float(end) for end in ends if end > 0]
    if found and max(found) > _WIDE * min(found):
        ax.set_xscale("log")
        low = min(found) / 20
        ax.set_xlim(low, max(found) * 1.1)
        style.set_log_ticks(ax.xaxis, low, max(found))
    elif found:
        ax.set_xlim(-0.02 * max(found), 1.03 * max(found))


def _outside(tables: Sequence[pd.DataFrame], measure: Measure, span: Range) -> str:
    cut = sum(span.cut(table["best"].astype(float) * measure.factor) for table in tables)
    return f" ({counted(cut, 'point')} off the scale)" if cut else ""


def _ns(counts: Iterator[float]) -> str:
    """The n of each study, in their order; of many, the least and the most."""
    found = [int(count) for count in counts]
    return f"{min(found):,} to {max(found):,}" if len(found) > 4 else " / ".join(f"{count:,}" for count in found)


def _short(label: str) -> str:
    """A label that fits beside a panel: of a long one the beginning and the end."""
    half = (_LONGEST_LABEL - 1) // 2
    return label if len(label) <= _LONGEST_LABEL else f"{label[:half]}…{label[-half:]}"


def _first(*answers: Iterable[str]) -> str:
    """The first sentence that there is."""
    return next(sentence for sentences in answers for sentence in sentences)


PICTURES: Sequence[Picture] = (
    Picture(
        "comparison-progress",
        "Which study got further, for the same trials and for the same work?",
        _progress,
        lambda found: _first(words.at_equal_trials(found), words.at_equal_work(found), [words.best(found)]),
        "Left: the best completed value among the first trials asked. Right: the best completed value by the time when workers "
        "had spent so much time in epochs; hardware differs where it is said above. Lines end where the study does.",
    ),
    Picture(
        "comparison-values",
        "How do the values of the completed trials lie?",
        _values,
        lambda found: _first(words.distributions(found), [words.best(found)]),
        "One mark a completed trial at its best epoch; boxes (from five trials on) have median and quartiles, whiskers the "
        "middle 90 %. Pruned and failed trials are counted and not drawn: they saw fewer epochs. A search is no random sample.",
    ),
    Picture(
        "comparison-epochs",
        "How do the trials of each study learn, epoch by epoch?",
        _epochs,
        lambda found: _first(words.at_equal_epochs(found), [words.best(found)]),
        "Left: the best value that any trial, pruned ones included, had reached by each epoch. Right: the median of completed "
        "trials' best values so far; a trial counts for as long as it trained.",
    ),
)
"""In the order of the page."""

assert len(STUDIES) == MOST_STUDIES
