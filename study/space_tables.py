"""The tables of a search space, read from TOML and checked one by one. Standard library only."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from colournet.config import check_name, check_value
from colournet.errors import UserError, did_you_mean
from colournet.objective import GOALS, Objective
from study.errors import SpaceError
from study.parameters import Parameter, Value, check_conditions, in_order

_KEYS = ("name", "question", "objective", "trials", "seed", "sampler", "pruner", "fixed", "search", "enqueue")

SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"startup_trials": 10},
    "random": {},
    "grid": {},
}
"""The samplers, with their options and what these are by default."""

PRUNERS: Mapping[str, Mapping[str, Any]] = {
    "successive_halving": {"min_epochs": 3, "reduction_factor": 3},
    "hyperband": {"min_epochs": 1, "reduction_factor": 3},
    "median": {"startup_trials": 5, "warmup_epochs": 1},
    "percentile": {"percentile": 50.0, "startup_trials": 5, "warmup_epochs": 1},
    "none": {},
}
"""The pruners, likewise."""

_OPTION_RANGES: Mapping[str, tuple[float, float]] = {
    "startup_trials": (0, 1_000_000),
    "min_epochs": (1, 100_000),
    "reduction_factor": (2, 100),
    "warmup_epochs": (0, 100_000),
    "percentile": (0, 100),
}


@dataclass(frozen=True)
class Choice:
    """A sampler or pruner: its kind, and every option that the kind has."""

    kind: str
    options: Mapping[str, Any]


def read_toml(text: str) -> dict[str, Any]:
    """Read the TOML of a space. Raises `SpaceError` if it is not TOML, or has a key that no space has."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # not TOML, a number too long, nested too deep
        raise SpaceError(f"not valid TOML: {error}") from error
    _check_integers(table)
    for key in table:
        if key not in _KEYS:
            raise SpaceError(f"unknown key {key!r}", hint=did_you_mean(key, _KEYS))
    return table


def parse_fixed(space: Mapping[str, Any]) -> dict[str, Value]:
    """Read `[fixed]`."""
    fixed = dict(_table(space, "fixed"))
    for name, value in fixed.items():
        with Under("[fixed]"):
            check_name(name)
            check_value(name, value)
    return fixed


def parse_search(space: Mapping[str, Any], fixed: Mapping[str, Value]) -> dict[str, Parameter]:
    """Read the `[search.NAME]` tables, in an order in which each comes after those that its condition names."""
    parameters: dict[str, Parameter] = {}
    for name, entry in _table(space, "search").items():
        with Under("[search]"):
            check_name(name)
        with Under(f"[search.{name}]"):
            parameters[name] = Parameter.parse(name, entry)
            if name in fixed:
                raise SpaceError(f"{name!r} is under [fixed] too", hint="leave it in one of them")
    if not parameters:
        raise SpaceError("nothing to search: there is no [search.NAME] table", hint="see search_spaces/quick.toml")
    check_conditions(parameters, fixed)
    return in_order(parameters)


def parse_objective(space: Mapping[str, Any]) -> Objective:
    """Read `objective`; the goal is the metric's where none is given."""
    table = _table(space, "objective")
    for key in table:
        if key not in ("metric", "goal"):
            raise SpaceError(f"objective: unknown key {key!r}", hint=did_you_mean(key, ("metric", "goal")))
    metric = str(table.get("metric", "val_loss"))
    return Objective(metric, str(table.get("goal", GOALS.get(metric, "minimize"))))


def parse_choice(space: Mapping[str, Any], key: str, kinds: Mapping[str, Mapping[str, Any]], *, default: str) -> Choice:
    """Read `sampler` or `pruner`, the options that are not given at their defaults."""
    given = dict(_table(space, key))
    kind = given.pop("kind", default)
    if not isinstance(kind, str) or kind not in kinds:
        raise SpaceError(f"{key}: there is no kind {kind!r}", hint=did_you_mean(str(kind), kinds))
    options = dict(kinds[kind])
    for option, value in given.items():
        if option not in options:
            hint = did_you_mean(option, options) or f"{kind!r} has no options"
            raise SpaceError(f"{key}: {kind!r} has no option {option!r}", hint=hint)
        low, high = _OPTION_RANGES[option]
        wanted = int | float if isinstance(options[option], float) else int
        if isinstance(value, bool) or not isinstance(value, wanted) or not low <= value <= high:
            raise SpaceError(f"{key}: {option} must be a number from {low:g} to {high:g}, got {value!r}")
        options[option] = value
    return Choice(kind, options)


def parse_text(space: Mapping[str, Any], key: str) -> str | None:
    """Read a text, None where there is none."""
    value = space.get(key)
    if value is not None and not isinstance(value, str):
        raise SpaceError(f"{key} must be text, got {value!r}", hint=f'write {key} = "{value}"')
    return value


def parse_whole_number(space: Mapping[str, Any], key: str, *, default: int, low: int) -> int:
    """Read a whole number of at least `low`."""
    value = space.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise SpaceError(f"{key} must be a whole number of at least {low}, got {value!r}")
    return value


class Under:
    """Say of an error raised within under which table it arose."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UserError):
            message = error.message
            if message.startswith("unknown setting"):
                raise SpaceError(f"{message} under {self.where}", hint=error.hint) from error
            raise SpaceError(f"{self.where} {message}", hint=error.hint) from error


def _table(space: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = space.get(key, {})
    if not isinstance(value, dict):
        raise SpaceError(f"{key} must be a table, got {value!r}")
    return value


def _check_integers(value: Any) -> None:
    """Refuse integers beyond those that TOML promises; a float, and the record, could not hold them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _check_integers(item)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise SpaceError(f"an integer of {value.bit_length()} bits is too large", hint="63 bits are the most")
