"""The points of a grid: every combination of the values in a search space, in a fixed order. Standard library only.

A grid is a designed experiment: all its points are tried with one seed before any is tried with the next, so two points of
one round differ in nothing but their settings, and their difference is a paired one.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from study.errors import SpaceError
from study.known_points import Point
from study.parameters import Parameter, Value

_MOST_POINTS = 10_000


def points(search: Mapping[str, Parameter]) -> tuple[Point, ...]:
    """All combinations that the conditions allow; the last parameter changes fastest.

    `search` is in an order in which each parameter comes after those that its condition names. Raises `SpaceError` for a
    parameter with values between any two, or for more points than anyone will train.
    """
    found: list[dict[str, Value]] = [{}]
    for name, parameter in search.items():
        found = [
            {**point, **value}
            for point in found
            for value in ([{name: value} for value in _values(parameter)] if parameter.is_active(point) else [{}])
        ]
        if len(found) > _MOST_POINTS:
            raise SpaceError(
                f"sampler: the grid has more than {_MOST_POINTS:,} points",
                hint='name fewer values, or write sampler = { kind = "random" }',
            )
    return tuple(found)


def _values(parameter: Parameter) -> list[Value]:
    values = list(islice(parameter.steps(), _MOST_POINTS + 1))
    if values and len(values) <= _MOST_POINTS:
        return values
    raise SpaceError(
        f"sampler: a grid needs a few values of each parameter, {parameter.name} goes from {parameter.describe()}",
        hint="give it a step, or name its values by choices",
    )
