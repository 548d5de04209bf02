"""The figures of a comparison: how each study's best fell, how its values lie, and how its trials learned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import comparison_summaries as sums
from study.analysis import comparison_values_figure, ranges, style, summaries
from study.analysis import comparison_words as words
from study.analysis.comparison import Comparison
from study.analysis.comparison_style import STUDIES, floor_handles, ns, short, with_floor
from study.analysis.measure import Measure
from study.analysis.ranges import Range
from study.analysis.style import Mark

_MOST_BANDS = 3
_WIDE = 10.0  # from a ratio of so much between the studies' ends an axis is logarithmic
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
    asked, cost = ({label: sums.steps(table) for label, table in found.items()} for found in (asked, cost))
    span = _range(comparison, [*asked.values(), *cost.values()])
    figure, left, right = _two_panels(measure, span)
    longest = max((table["worker_seconds"].max() for table in cost.values() if len(table)), default=0.0)
    _, second, unit = next(found for found in _UNITS if longest >= found[0])
    cost = {label: table.assign(worker_time=table["worker_seconds"] / second) for label, table in cost.items()}
    for ax, tables, column in ((left, asked, "asked"), (right, cost, "worker_time")):
        for mark, one in zip(STUDIES, comparison, strict=False):
            _steps(tables[one.label], column, mark, measure, ax=ax)
        _set_range(ax, [table[column] for table in tables.values() if len(table)])
        _floors(comparison, span, ax=ax)
    if left.get_xscale() == "linear":
        left.xaxis.set_major_locator(style.whole_numbers())
    left.set_xlabel("trials asked")
    right.set_xlabel(f"workers' time ({unit})")
    trials, done = (ns(one.totals[name] for one in comparison) for name in ("asked", "completed"))
    left.set_title(f"Best among the first trials, n = {trials}{_outside(asked.values(), measure, span)}")
    right.set_title(f"Best by then, n = {done} completed{_outside(cost.values(), measure, span)}")
    return _finish(figure, (left, right), comparison, span, [*asked.values(), *cost.values()])


def _steps(table: pd.DataFrame, column: str, mark: Mark, measure: Measure, *, ax: Axes) -> None:
    """A line that falls at each new best; marked there and where the study stands, but for a long one's middle."""
    every = max(1, len(table) // 12)
    look = {"color": mark.colour, "linestyle": mark.line, "marker": mark.marker}
    values = table["best"] * measure.factor
    ax.step(table[column], values, where="post", linewidth=1.9, markersize=5, markevery=every, zorder=3, **look)


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
    left.set_title(f"Best of any trial by then, n = {ns(trained)}{_outside(best, measure, span)}")
    band = " and quartiles" if len(course) <= _MOST_BANDS else ""
    done = ns(one.totals["completed"] for one in comparison)
    right.set_title(f"Median{band} of completed, n = {done}{_outside(inner, measure, span)}")
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
        Line2D([], [], color=mark.colour, linestyle=mark.line, marker=mark.marker, markersize=5, label=short(one.label))
        for mark, one in zip(STUDIES, comparison, strict=False)
    ]
    handles += floor_handles(comparison.measure, span)
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
        style.draw_floor(ax, one, with_floor(span, value * one.factor))


def _set_range(ax: Axes, curves: Sequence[pd.Series[float]]) -> None:
    """An axis for all curves, from nothing; logarithmic, from their first point, where they or their ends are far apart."""
    ends = [float(curve.max()) for curve in curves]
    low = max(min((float(curve.min()) for curve in curves), default=0.0), max(ends, default=0.0) / 1e5)
    if ends and min(ends) > 0 and (max(ends) > _WIDE * min(ends) or max(ends) > _WIDE**2 * low):
        ax.set_xscale("log")
        ax.set_xlim(low / 1.2, max(ends) * 1.2)
        style.set_log_ticks(ax.xaxis, low, max(ends))
    elif ends and max(ends) > 0:
        ax.set_xlim(-0.02 * max(ends), 1.03 * max(ends))


def _outside(tables: Iterable[pd.DataFrame], measure: Measure, span: Range) -> str:
    cut = sum(span.cut(table["best"].astype(float) * measure.factor) for table in tables)
    return f" ({cut} off the scale)" if cut else ""


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
        "had spent so much time in epochs, which is worth more on faster hardware. Lines end where the study does.",
    ),
    Picture(
        "comparison-values",
        "How do the values of the completed trials lie?",
        comparison_values_figure.draw,
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
