"""The figure `augmentation`: what each flip, shift and extra class does to the objective, all else equal."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from study.analysis import ranges, style, summaries
from study.analysis.effects import AUGMENTATION, effects
from study.analysis.intervals import LEVEL
from study.analysis.loaded import Loaded
from study.analysis.measure import Measure
from study.analysis.plot import Plot, Words
from study.analysis.style import GREY, INK, STATES

_NAMES: Mapping[str, str] = {
    "flip_horizontal": "mirrored",
    "flip_vertical": "upside down",
    "shift_horizontal_pixels": "shifted sideways",
    "shift_vertical_pixels": "shifted up or down",
    "extra_classes": "with",
}


def draw(study: Loaded) -> Figure:
    """The differences with their intervals, and beside them the trials that these are made of."""
    table = _table(study)
    figure = Figure(figsize=(10, 1.9 + 0.42 * (len(table) + len(_fields(study)))), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 4))
    differences(table, study.measure, ax=left)
    values(study, ax=right)
    return figure


def differences(table: pd.DataFrame, measure: Measure, *, ax: Axes) -> None:
    """One row an effect: its mean difference and 95 % interval, in colour where the interval leaves out zero."""
    ax.axvline(0, color=INK, linewidth=1)
    for place, row in enumerate(table.to_dict("records")):
        if row["kind"] == "unknown":
            continue
        low, middle, high = (row[name] * measure.factor for name in ("low", "difference", "high"))
        look: dict[str, Any] = {"color": _colour(row, measure), "zorder": 3}
        ax.plot([low, high], [place, place], linewidth=2.2, solid_capstyle="butt", **look)
        ax.plot([middle], [place], marker="D" if row["kind"] == "paired" else "o", markersize=6, **look)
    ax.set_yticks(range(len(table)), [_label(row) for row in table.to_dict("records")])
    ax.set_ylim(len(table) - 0.5, -0.5)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    unit = " (percentage points)" if measure.factor != 1 else ""
    ax.set_xlabel(f"difference of {measure.name}{unit}")
    ax.set_title(f"With it less without; {_better_side(measure)}")
    if not (table["kind"] != "unknown").any():
        style.say_empty(ax, "too few trials to compare")


def values(study: Loaded, *, ax: Axes) -> None:
    """Every completed trial by level, with the median, and the floor."""
    measure, done = study.measure, summaries.completed(study.trials)
    floor = None if measure.floor is None else measure.floor * measure.factor
    span = ranges.readable(done["value"] * measure.factor, goal=measure.goal, floor=floor)
    rows = [(field, level) for field in _fields(study) for level in summaries.levels_of(study.trials, field)]
    for place, (field, level) in enumerate(rows):
        shown = (done.loc[done[field] == level, "value"] * measure.factor).clip(span.low, span.high)
        _spread(shown, place, ax=ax)
        if len(shown):
            middle = [shown.median()] * 2
            ax.plot(middle, [place - 0.36, place + 0.36], color=INK, linewidth=2, solid_capstyle="butt")
    style.draw_floor(ax, measure, span, upright=True)
    ax.set_xlim(span.low, span.high)
    labels = [f"{_words(field, level)}, n = {(done[field] == level).sum()}" for field, level in rows]
    ax.set_yticks(range(len(rows)), labels)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.grid(visible=True, axis="x")
    ax.grid(visible=False, axis="y")
    ax.set_xlabel(measure.label)
    ax.set_title(f"Best epoch's value, n = {len(done):,} completed")
    style.put_legend(_figure(ax), style.floor_handle(measure, span))
    if done.empty:
        style.say_empty(ax, "no trial has completed")


def _spread(shown: pd.Series[float], place: int, *, ax: Axes) -> None:
    """A point a trial; of many, the middle half as a thick bar and the middle nine tenths as a thin one."""
    colour = STATES["completed"].colour
    if len(shown) > style.MANY:
        for share, width in ((0.9, 2), (0.5, 7)):
            ends = shown.quantile([(1 - share) / 2, (1 + share) / 2])
            ax.plot(ends, [place, place], color=colour, linewidth=width, alpha=0.7, solid_capstyle="butt")
        return
    last = max(len(shown) - 1, 1)
    spread = [place + 0.3 * (2 * rank / last - 1) * (len(shown) > 1) for rank in range(len(shown))]
    ax.scatter(shown, spread, s=18, color=colour, alpha=0.7)


def tell(study: Loaded) -> Words:
    """What helps, what harms, and of what neither can be said."""
    table, measure = _table(study), study.measure
    known = table[table["kind"] != "unknown"]
    clear = known["p"] < 1 - LEVEL
    told = [_effect(row, measure) for row in known[clear].to_dict("records")]
    unclear = [_no_effect(row, measure) for row in known[~clear].to_dict("records")]
    told += [f"no clear difference: {', '.join(unclear)}"] if unclear else []
    done = len(summaries.completed(study.trials))
    answer = f"n = {done} completed trials are too few to compare."
    if told:
        told[0] = told[0][:1].upper() + told[0][1:]
        answer = f"{'; '.join(told)}."
    paired, adjusted = (known["kind"] == "paired").any(), (known["kind"] == "adjusted").any()
    reading = "Left: the objective with each augmentation less the objective without, mean and 95 % interval. "
    if paired:
        reading += (
            "Diamonds are over pairs of completed trials that share every other setting, and their seed if they can. "
        )
    if adjusted:
        reading += (
            "Circles are by a linear model of all settings, since too few trials differ in one alone; it holds if effects "
            "add up. "
        )
    reading += (
        "Coloured where p < 0.05, corrected (Holm) for all of them; grey where no effect is shown. Right: the completed "
        "trials themselves, with their medians; of more than 200, bars of the middle half and of the middle nine tenths."
    )
    return Words(answer, reading, f"Effects of augmentation on {measure.name}. {answer}")


def _effect(row: Mapping[Any, Any], measure: Measure) -> str:
    side = "better" if _is_better(row, measure) else "worse"
    near, far = sorted((row["low"], row["high"]), key=abs)
    between = f"{measure.difference(near)} to {measure.difference(far)}"
    return f"{_named(row)} {measure.difference(row['difference'])} {side} (95 % interval {between}, {_size(row)})"


def _no_effect(row: Mapping[Any, Any], measure: Measure) -> str:
    return f"{_named(row)} ({measure.interval(row['low'], row['high'])}, {_size(row)})"


def _named(row: Mapping[Any, Any]) -> str:
    return _words(row["field"], row["level"])


def _size(row: Mapping[Any, Any]) -> str:
    return f"n = {row['n']:,} {'pairs' if row['kind'] == 'paired' else 'trials, adjusted'}"


@lru_cache(maxsize=1)
def _table(study: Loaded) -> pd.DataFrame:
    return effects(study.trials, _fields(study), searched=list(study.space.search))


def _fields(study: Loaded) -> list[str]:
    """The augmentations that the study searches, and has tried in two ways or more."""
    return [field for field in AUGMENTATION if field in study.space.search and study.trials[field].nunique() > 1]


def _applies(study: Loaded) -> bool:
    return bool(_fields(study))


def _words(field: str, level: Any) -> str:
    if field == "extra_classes":
        return "no extra class" if level == "none" else f"with {level}"
    if isinstance(level, bool):
        return _NAMES[field] if level else f"not {_NAMES[field]}"
    return f"{_NAMES[field]} up to {level} px" if level else f"not {_NAMES[field]}"


def _label(row: Mapping[Any, Any]) -> str:
    noun = {"paired": " pairs", "adjusted": " trials", "unknown": ""}[row["kind"]]
    return f"{_words(row['field'], row['level'])}\nn = {row['n']}{noun}"


def _is_better(row: Mapping[Any, Any], measure: Measure) -> bool:
    return bool(measure.is_better(row["difference"], 0.0))


def _colour(row: Mapping[Any, Any], measure: Measure) -> str:
    if not row["p"] < 1 - LEVEL:
        return GREY
    return style.BETTER if _is_better(row, measure) else style.WORSE


def _better_side(measure: Measure) -> str:
    return "left of zero is better" if measure.is_minimized else "right of zero is better"


def _figure(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


PLOT = Plot("augmentation", "Do flips, shifts or other classes help?", draw, tell, _applies)
