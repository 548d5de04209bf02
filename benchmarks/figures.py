"""Figures with their n and spread, and goals that they reach or not. Standard library only."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Figure = Mapping[str, Any]
"""`what`, `unit`, and of the values `n`, `median`, `min` and `max`, which are None where nothing was measured."""


def figure(what: str, values: Sequence[float], *, unit: str) -> dict[str, Any]:
    """The median of some values, how many there are, and from where to where they go."""
    if not values:
        return {"what": what, "unit": unit, "n": 0, "median": None, "min": None, "max": None}
    return {
        "what": what,
        "unit": unit,
        "n": len(values),
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def goal(
    what: str, values: Sequence[float], *, unit: str, at_least: float | None = None, at_most: float | None = None
) -> dict[str, Any]:
    """A figure whose median is to be at least, or at most, so much; without values it is one that was not measured."""
    bound = {"at_least": at_least, "at_most": at_most}
    return {**figure(what, values, unit=unit), **{name: value for name, value in bound.items() if value is not None}}


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """How many times one contender's figure is another's, round by round."""
    return [one / other for one, other in zip(slow, fast, strict=True)]


def is_reached(found: Figure) -> bool:
    """Whether a goal's median is within its bounds; not where nothing was measured."""
    median = found["median"]
    if median is None:
        return False
    return bool(found.get("at_least", median) <= median <= found.get("at_most", median))


def in_words(found: Figure) -> str:
    """`1.93 x (1.88 to 2.01, n = 5)`."""
    if found["median"] is None:
        return "not measured"
    unit = f" {found['unit']}" if found["unit"] else ""
    if found["n"] == 1:
        return f"{number(found['median'])}{unit} (n = 1)"
    spread = f"{number(found['min'])} to {number(found['max'])}"
    return f"{number(found['median'])}{unit} ({spread}, n = {found['n']})"


def number(value: float) -> str:
    """A number to three digits, whole from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
