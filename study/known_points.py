"""Known points: values of some or all parameters that a study asks for before the sampler decides. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from colournet.errors import did_you_mean
from study.errors import SpaceError
from study.parameters import Parameter, Value
from study.space_tables import Under

Point = Mapping[str, Value]


def parse_points(
    entries: Any, search: Mapping[str, Parameter], fixed: Mapping[str, Value]
) -> tuple[dict[str, Value], ...]:
    """Read the `[[enqueue]]` tables, each in the order of `search`, every value as its parameter has it.

    Raises `SpaceError` for what is no point of the space, or is there twice. Whether a point makes a configuration that
    means something is not looked at.
    """
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SpaceError(f"enqueue must be tables, got {entries!r}", hint="head each known point with [[enqueue]]")
    points: list[dict[str, Value]] = []
    for number, entry in enumerate(entries, start=1):
        with Under(f"[[enqueue]] {number}:"):
            point = _parse_point(entry, search, fixed)
            if point in points:
                raise SpaceError(f"the same as number {points.index(point) + 1}", hint="leave one of them out")
            points.append(point)
    return tuple(points)


def left_open(point: Point, search: Mapping[str, Parameter]) -> list[str]:
    """The parameters that the sampler draws beside a point, or may draw, where their conditions are left open too."""

    def may_exist(parameter: Parameter) -> bool:
        return all(name not in point or point[name] in values for name, values in parameter.when.items())

    return [name for name, parameter in search.items() if name not in point and may_exist(parameter)]


def _parse_point(
    entry: Mapping[str, Any], search: Mapping[str, Parameter], fixed: Mapping[str, Value]
) -> dict[str, Value]:
    if not entry:
        raise SpaceError("names no parameter", hint=did_you_mean("", search))
    for name in entry:
        if name not in search:
            hint = f"{name!r} is fixed; leave it out" if name in fixed else did_you_mean(name, search)
            raise SpaceError(f"{name!r} is not under [search]", hint=hint)
    point = {name: parameter.read(entry[name]) for name, parameter in search.items() if name in entry}
    for name in point:
        _check_exists(search[name], point)
    return point


def _check_exists(parameter: Parameter, point: Point) -> None:
    for name, values in parameter.when.items():
        needed = f"{name} = {values[0]!r}" if len(values) == 1 else f"{name} one of {', '.join(map(repr, values))}"
        if name not in point:
            raise SpaceError(
                f"whether {parameter.name!r} exists depends on {name!r}, which the point leaves open",
                hint=f"name {needed} in it too, or leave {parameter.name!r} out",
            )
        if point[name] not in values:
            raise SpaceError(
                f"{parameter.name!r} does not exist where {name} is {point[name]!r}",
                hint=f"leave it out, or name {needed}",
            )
