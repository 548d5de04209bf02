"""How the figures of a comparison tell its studies apart, and how they show floors and n."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from matplotlib.lines import Line2D

from colournet.palette_name import PaletteName
from study.analysis import style
from study.analysis.comparability import MOST_STUDIES
from study.analysis.measure import Measure
from study.analysis.ranges import Range
from study.analysis.style import Mark

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


assert len(STUDIES) == MOST_STUDIES

_LONGEST_LABEL = 34


def floor_handles(measure: Measure, span: Range) -> list[Line2D]:
    """The floors' entries in a legend, where there are several each with its palette."""
    handles = []
    for name, value in measure.floors.items():
        one = replace(measure, floors={name: value})
        for handle in style.floor_handle(one, with_floor(span, value * one.factor)):
            if len(measure.floors) > 1:
                handle.set_label(f"{handle.get_label()}, {PaletteName.parse(name).words}")
            handles.append(handle)
    return handles


def with_floor(span: Range, value: float) -> Range:
    """A range that says whether a floor of `value` lies in it."""
    return replace(span, floor_shown=span.low <= value <= span.high)


def ns(counts: Iterable[float]) -> str:
    """The n of each study, in their order; of many, the least and the most."""
    found = [int(count) for count in counts]
    return f"{min(found):,} to {max(found):,}" if len(found) > 4 else " / ".join(f"{count:,}" for count in found)


def short(label: str) -> str:
    """A label that fits beside a panel: of a long one the beginning and the end."""
    half = (_LONGEST_LABEL - 1) // 2
    return label if len(label) <= _LONGEST_LABEL else f"{label[:half]}…{label[-half:]}"
