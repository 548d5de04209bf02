"""The figure `epochs-by-budget`: the curves of each budget of epochs, and what each ends with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from study.analysis import budgets, intervals, ranges, style, summaries
from study.analysis.budgets import Budget
from study.analysis.intervals import LEVEL, Difference
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.ranges import Range
from study.analysis.style import MODELS, Mark, counted

_LIGHT, _DARK = 0.88, 0.08  # ends of the stretch of viridis that is seen on white
_JITTER = 0.22  # of the step between two groups


@dataclass(frozen=True)
class Group:
    """Completed trials that share a curve."""

    label: str
    mark: Mark
    trials: pd.DataFrame
    last: int
    """The last epoch that all of them trained."""


def groups(study: Loaded) -> list[Group]:
    """By budget, the colour darker the more epochs; by model where there is one budget alone."""
    found = budgets.groups(study.trials, goal=study.measure.goal)
    if len(found) != 1:
        return [
            Group(group.length, mark, group.trials, group.low)
            for group, mark in zip(found, _marks(len(found)), strict=True)
        ]
    trials = found[0].trials
    models = [model for model in summaries.MODELS if (trials["model"] == model).any()]
    return [Group(model, MODELS[model], trials[trials["model"] == model], found[0].low) for model in models]


def draw(study: Loaded) -> Figure:
    """Mean curves with their intervals on the left; every final value, and their means, on the right."""
    measure, found = study.measure, groups(study)
    bands = [
        budgets.bands(study.epochs, group.trials["number"].tolist(), metric=measure.metric, last=group.last)
        for group in found
    ]
    figure = Figure(figsize=(10, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    spans = [
        _span([value for band in bands for value in band[["mean", "low", "high"]].to_numpy().ravel()], measure),
        _span([value for group in found for value in _final_values(group)], measure),
    ]
    curves(found, bands, spans[0], ax=left, measure=measure)
    finals(found, spans[1], ax=right, measure=measure, by_budget=_by_budget(found))
    for ax, span in zip((left, right), spans, strict=True):
        style.set_value_axis(ax, span)
        style.draw_floor(ax, measure, span)
    left.set_ylabel(measure.label)
    style.put_legend(figure, [*_handles(found), *style.floor_handle(measure, spans[0])])
    return figure


def curves(found: list[Group], bands: list[pd.DataFrame], span: Range, *, ax: Axes, measure: Measure) -> None:
    """The mean of each group after each epoch, within the 95 % interval of that mean where it has one."""
    for group, band in zip(found, bands, strict=True):
        x, colour = band["epoch"].to_numpy(dtype=float), group.mark.colour
        low, mean, high = (band[name].to_numpy(dtype=float) * measure.factor for name in ("low", "mean", "high"))
        ax.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        ax.plot(x, mean, color=colour, linewidth=2, zorder=3)
        ax.plot(x[-1:], mean[-1:], color=colour, marker=group.mark.marker, markersize=5, zorder=3.5)
    style.set_epoch_axis(ax, max((group.last for group in found), default=1))
    ax.set_xlabel("epoch")
    done = sum(len(group.trials) for group in found)
    cut = sum(span.cut(band["mean"] * measure.factor) for band in bands)
    outside = f" ({counted(cut, 'mean')} off the scale)" if cut else ""
    ax.set_title(f"Mean after each epoch, n = {done:,} completed{outside}")
    if not done:
        style.say_empty(ax, "no trial has completed")


def finals(found: list[Group], span: Range, *, ax: Axes, measure: Measure, by_budget: bool) -> None:
    """Each trial's value at its best epoch, beside one another within its group, and the group's mean with its interval."""
    generator = np.random.default_rng(0)
    for place, group in enumerate(found):
        values = group.trials["value"] * measure.factor
        many = len(values) > style.MANY
        x = place + _JITTER * generator.uniform(-1, 1, len(values)) - 0.12
        style.points(x.tolist(), values.tolist(), group.mark, span, ax=ax, many=many)
        seen = intervals.estimate(values.tolist())
        half = seen.half_width if seen.n >= budgets.LEAST else 0.0
        look: dict[str, Any] = {
            "color": style.INK,
            "marker": "D",
            "markersize": 5,
            "capsize": 4,
            "elinewidth": 1.6,
            "zorder": 5,
        }
        ax.errorbar([place + 0.24], [seen.mean], yerr=[half] if half else None, linestyle="none", **look)
    ax.set_xticks(range(len(found)), [f"{group.label}\nn = {len(group.trials):,}" for group in found])
    ax.set_xlim(-0.6, max(len(found), 1) - 0.4)
    ax.set_xlabel("epochs trained" if by_budget else "")
    ax.set_title(f"Best epoch's value, n = {sum(len(group.trials) for group in found):,} completed")
    if not found:
        style.say_empty(ax, "no trial has completed")


def _marks(count: int) -> list[Mark]:
    places = np.linspace(_LIGHT, _DARK, count) if count != 1 else [_DARK]
    return [Mark(mpl.colors.to_hex(mpl.colormaps["viridis"](place)), "o") for place in places]


def _span(values: list[float], measure: Measure) -> Range:
    floor = None if measure.floor is None else measure.floor * measure.factor
    return ranges.readable([value * measure.factor for value in values], goal=measure.goal, floor=floor)


def _final_values(group: Group) -> list[float]:
    """What the right panel shows of a group: its trials' values, and the ends of its interval."""
    values = group.trials["value"].tolist()
    seen = intervals.estimate(values)
    return [*values, seen.low, seen.high] if seen.n >= budgets.LEAST else values


def _by_budget(found: list[Group]) -> bool:
    return not any(group.label in MODELS for group in found)


def _handles(found: list[Group]) -> list[Line2D]:
    noun = " epochs" if _by_budget(found) else ""
    lines = [
        Line2D(
            [],
            [],
            color=group.mark.colour,
            marker=group.mark.marker,
            markersize=5,
            linewidth=2,
            label=(group.label + noun).replace("1 epochs", "1 epoch"),
        )
        for group in found
    ]
    mean = Line2D([], [], color=style.INK, marker="D", markersize=5, linestyle="none", label="mean and 95 % interval")
    return [*lines, mean] if found else []


def tell(study: Loaded) -> Words:
    """How much worse the shorter budgets are; or, of one budget, what its last quarter still brought."""
    measure = study.measure
    found = budgets.groups(study.trials, goal=measure.goal)
    answer = between(found, measure) if len(found) > 1 else _at_the_end(study, found)
    split = "budget of epochs" if len(found) > 1 else "model"
    reading = (
        f"Left: the mean {measure.name} of the completed trials of each {split} after each epoch, for as long as all of them "
        f"trained; the band is the 95 % t-interval of the mean, from {budgets.LEAST} trials on. Right: each trial's best epoch, "
        "and their mean with its interval."
    )
    if len(found) > 1:
        reading += " Budgets are compared by pairs where settings match in all but epochs, else by Welch's t-test."
        stopped = len(summaries.pruned(study.trials))
        if stopped:
            reading += (
                f" The n = {stopped} pruned trials are left out, which flatters the larger budgets: their completed trials "
                "have outlived more of them."
            )
    alt = f"Mean {measure.name} against epochs, one curve a {split}, and final values beside it."
    return Words(answer, reading, f"{alt} {answer}")


def between(found: list[Budget], measure: Measure) -> str:
    """The longest budget against the next shorter one and the shortest, corrected for asking twice."""
    long = found[-1]
    rivals = [found[0], found[-2]] if len(found) > 2 else [found[0]]
    seen = [budgets.compare(short, long) for short in rivals]
    known = [(short, difference) for short, difference in zip(rivals, seen, strict=True) if difference is not None]
    if not known:
        sizes = ", ".join(f"{group.length} epochs n = {len(group.trials)}" for group in found)
        return f"Too few trials to compare budgets: {sizes}."
    corrected = intervals.holm([difference.p for _, difference in known])
    told = [
        _against(short, long, one, p < 1 - LEVEL, measure) for (short, one), p in zip(known, corrected, strict=True)
    ]
    return "; ".join(told) + "."


def _against(short: Budget, long: Budget, seen: Difference, clear: bool, measure: Measure) -> str:
    n = f"n = {seen.n[0]} pairs" if seen.of_pairs else f"n = {seen.n[0]} and {seen.n[1]}"
    sign = 1 if measure.is_minimized else -1
    low, high = sorted((sign * seen.low, sign * seen.high))
    interval = f"(95 % interval {measure.interval(low, high)}, {n})"
    epochs = f"{short.length} epoch{' is' if short.high == 1 else 's are'}"
    if not clear:
        return f"between {short.length} and {long.length} epochs there is no clear difference {interval}"
    if sign * seen.mean > 0:
        return f"{epochs} {measure.difference(seen.mean)} worse than {long.length} {interval}"
    interval = f"(95 % interval {measure.interval(-high, -low)}, {n})"
    return f"{epochs} {measure.difference(seen.mean)} better than {long.length} {interval}"


def _at_the_end(study: Loaded, found: list[Budget]) -> str:
    """Whether the objective still got better in the last quarter of the epochs that all trained."""
    if not found:
        return "No trial has completed, so nothing can be told of more epochs."
    measure, last, numbers = study.measure, found[0].low, found[0].trials["number"].tolist()
    before, seen = budgets.last_stretch(study.epochs, numbers, metric=measure.metric, last=last)
    told = f"All n = {len(numbers)} completed trials trained for {last} epochs"
    if len(numbers) == 1:
        told = f"The n = 1 completed trial trained for {last} epoch{'' if last == 1 else 's'}"
    if seen is None:
        return f"{told}, which says nothing of more."
    sign = 1 if measure.is_minimized else -1
    low, high = sorted((sign * seen.low, sign * seen.high))
    interval, gap = measure.interval(low, high), measure.difference(seen.mean)
    if not seen.is_clear:
        return f"{told}; after epoch {before} there is no clear change (95 % interval of the gain {interval})."
    if low > 0:
        return f"{told}, and still gained {gap} after epoch {before} (95 % interval {interval}), so more may help."
    interval = measure.interval(-high, -low)
    return f"{told}, and lost {gap} after epoch {before} (95 % interval {interval}), so more would not help."


def _applies(study: Loaded) -> bool:
    done = summaries.completed(study.trials)
    return bool((done["epochs_trained"] > 1).any())


PLOT = Plot("epochs-by-budget", "Would more epochs have helped?", draw, tell, _applies)
