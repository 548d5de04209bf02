"""The dimensions of a search space: what values each may take, and when it exists. Standard library only."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from colournet.config import check_name, check_value
from colournet.errors import ConfigError, did_you_mean
from study.errors import SpaceError

Value = Any  # a TOML value of one field of TrainConfig: str, bool, int, float or list of str
Condition = Mapping[str, tuple[Value, ...]]

_OPTIONS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # kind: required, optional
    "choice": (("choices",), ()),
    "int": (("low", "high"), ("step", "log")),
    "float": (("low", "high"), ("step", "log")),
}
_MOST_STEPS = 1_000_000_000
_ROUNDING = 1e-8
"""How far from a step of a `float` a value may be, in steps, as Optuna has it."""
_NOT_SEARCHED: Mapping[str, str] = {
    "seed": "each trial has a seed of its own already",
    "device": "it changes how fast, not what is learned",
    "num_threads": "it changes how fast, not what is learned",
    **dict.fromkeys(
        ("dataset", "category", "protocol", "data_seed"),
        "trials that are measured on different images cannot be compared; make one study for each",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One dimension. Bounds are inclusive; `choices` is set for kind `choice`, the bounds for `int` and `float`."""

    name: str
    kind: str
    choices: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    step: float | None = None
    log: bool = False
    when: Condition = field(default_factory=dict)
    """The parameter exists only where each of these has one of these values."""

    @classmethod
    def parse(cls, name: str, table: Any) -> Parameter:
        """Read the table `[search.NAME]`. Raises `SpaceError` or `ConfigError` for what is wrong with it."""
        check_name(name)
        if name in _NOT_SEARCHED:
            raise SpaceError(f"{name!r} cannot be searched: {_NOT_SEARCHED[name]}", hint="put it under [fixed]")
        if not isinstance(table, dict):
            raise SpaceError(
                f"expected a table, got {table!r}", hint=f"a fixed value belongs under [fixed], as {name} = ..."
            )
        table = dict(table)
        kind, when = table.pop("kind", None), table.pop("when", {})
        if not isinstance(kind, str) or kind not in _OPTIONS:
            raise SpaceError(f"kind is {kind!r}", hint=did_you_mean(str(kind), _OPTIONS))
        _check_options(kind, table)
        parameter = cls(name=name, kind=kind, when=_parse_when(when), **_frozen(table))
        return parameter._check_choices() if kind == "choice" else parameter._check_range()

    def is_active(self, params: Mapping[str, Value]) -> bool:
        """Whether the parameter exists where the others have the values `params`."""
        return all(params.get(name) in values for name, values in self.when.items())

    def __contains__(self, value: Value) -> bool:
        """Whether the parameter takes a value."""
        if self.kind != "float":
            return value in (self._grid if self.kind == "int" else self.choices)
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return True
        nearest = self.low + round((value - self.low) / self.step) * self.step
        return math.isclose(value, nearest, rel_tol=1e-12, abs_tol=_ROUNDING * self.step)

    def read(self, value: Any) -> Value:
        """A value as the parameter has it, type and all. Raises `SpaceError` or `ConfigError` if it is none of its values."""
        meant = check_value(self.name, value)
        if self.kind == "choice":
            for choice in self.choices:
                if check_value(self.name, choice) == meant:
                    return choice
            hint = did_you_mean(str(value), [str(choice) for choice in self.choices])
            raise SpaceError(f"{self.name} is never {value!r}", hint=hint)
        if value not in self:
            raise SpaceError(f"{self.name} is never {value!r}, it goes from {self.describe()}")
        return int(value) if self.kind == "int" else float(value)

    @property
    def values(self) -> list[Value]:
        """All values of a `choice` or `int`, in order; none for a `float`, which has too many."""
        if self.kind == "int":
            return list(self._grid)
        return list(self.choices)

    def steps(self) -> Iterator[Value]:
        """All values, in order, of a parameter that goes by steps; none of a range without any."""
        if self.kind != "float":
            yield from self._grid if self.kind == "int" else self.choices
        elif self.step is not None:
            low, high, step = (Fraction(str(number)) for number in (self.low, self.high, self.step))
            yield from (float(low + number * step) for number in range(int((high - low) / step) + 1))

    @property
    def highest(self) -> float:
        """The largest value of a range: `high`, or the last step below it."""
        if self.kind == "int":
            return self._grid[-1]
        if self.step is None:
            return self.high
        low, high, step = (Fraction(str(number)) for number in (self.low, self.high, self.step))
        return float(low + (high - low) // step * step)

    @property
    def _grid(self) -> range:
        """The values of an `int`."""
        return range(int(self.low), int(self.high) + 1, int(self.step or 1))

    def sample(self, generator: random.Random) -> Value:
        """Draw a value uniformly (in the logarithm, if `log`)."""
        if self.kind == "choice":
            return generator.choice(self.choices)
        if self.step:
            value = self.low + self.step * generator.randint(0, int((self.high - self.low) / self.step))
        elif self.log:
            value = math.exp(generator.uniform(math.log(self.low), math.log(self.high)))
        else:
            value = generator.uniform(self.low, self.high)
        return min(max(round(value), int(self.low)), int(self.high)) if self.kind == "int" else value

    def describe(self) -> str:
        """The values in words: `cnn, unet` or `0.0001 to 0.03, log`."""
        if self.kind == "choice":
            return ", ".join(_in_words(choice) for choice in self.choices)
        step = f", step {self.step:g}" if self.step else ""
        return f"{self.low:g} to {self.high:g}{step}{', log' if self.log else ''}"

    def _check_choices(self) -> Parameter:
        if not self.choices:
            raise SpaceError("choices is empty")
        meant = [check_value(self.name, choice) for choice in self.choices]
        if len(set(meant)) < len(meant):
            raise SpaceError("choices names a value twice")
        return self

    def _check_range(self) -> Parameter:
        for bound in ("low", "high", "step"):
            _check_number(bound, getattr(self, bound), self.kind)
        if not isinstance(self.log, bool):
            raise SpaceError(f"log must be true or false, got {self.log!r}")
        if self.low > self.high:
            raise SpaceError(
                f"low = {self.low:g} is above high = {self.high:g}", hint="swap them; bounds are inclusive"
            )
        if self.log and self.low <= 0:
            raise SpaceError(f"log = true needs low > 0, got low = {self.low:g}", hint="raise low, or leave log out")
        if self.log and self.step:
            raise SpaceError("log and step exclude each other", hint="leave one of them out")
        if self.step is not None and self.step <= 0:
            raise SpaceError(f"step must be above 0, got {self.step:g}")
        if self.step is not None and (self.high - self.low) / self.step > _MOST_STEPS:
            raise SpaceError(f"step = {self.step:g} is too fine", hint="raise it, or leave it out")
        for value in self._extremes():
            check_value(self.name, value)
        return self

    def _extremes(self) -> list[float]:
        """Values that the field must accept: both ends, and the second from below, which shows a wrong step."""
        second = self.low + (self.step or 1) if self.kind == "int" else self.low
        extremes = [self.low, min(second, self.high), self.high]
        return extremes if self.kind == "int" else [float(value) for value in extremes]


def _in_words(choice: Value) -> str:
    if isinstance(choice, bool):
        return "yes" if choice else "no"
    return ("+".join(choice) or "none") if isinstance(choice, list) else str(choice)


def in_order(parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Sort parameters so that each comes after those that its condition names. Raises `SpaceError` for a circle."""
    ordered: dict[str, Parameter] = {}
    waiting = dict(parameters)
    while waiting:
        ready = [name for name, parameter in waiting.items() if not set(parameter.when) & set(waiting)]
        if not ready:
            raise SpaceError(f"the conditions of {', '.join(waiting)} go in a circle")
        for name in ready:
            ordered[name] = waiting.pop(name)
    return ordered


def _check_options(kind: str, table: Mapping[str, Any]) -> None:
    required, optional = _OPTIONS[kind]
    for option in table:
        if option not in (*required, *optional):
            hint = did_you_mean(option, (*required, *optional, "when"))
            raise SpaceError(f"kind {kind!r} has no {option!r}", hint=hint)
    for option in required:
        if option not in table:
            raise SpaceError(f"kind {kind!r} needs {option!r}")
    if kind == "choice" and not isinstance(table["choices"], list):
        raise SpaceError(f"choices must be a list, got {table['choices']!r}")


def _check_number(name: str, value: Any, kind: str) -> None:
    if name == "step" and value is None:
        return
    wanted = int if kind == "int" else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or not math.isfinite(value):
        raise SpaceError(f"{name} must be a {'whole' if kind == 'int' else 'finite'} number, got {value!r}")


def _parse_when(when: Any) -> Condition:
    if not isinstance(when, dict):
        raise SpaceError(f"when must be a table, got {when!r}", hint='write when = { model = ["dilated_unet"] }')
    for name, values in when.items():
        if values == []:
            raise SpaceError(f"when names no value of {name!r}", hint="name one, or drop the condition")
    return {name: tuple(values) if isinstance(values, list) else (values,) for name, values in when.items()}


def _frozen(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def check_conditions(parameters: Mapping[str, Parameter], fixed: Mapping[str, Value]) -> None:
    """Raise `SpaceError` if a condition names a parameter that is not there, or a value that it never takes."""
    for parameter in parameters.values():
        for name, values in parameter.when.items():
            where = f"[search.{parameter.name}] when"
            if name not in parameters:
                known = [other for other in parameters if other != parameter.name]
                hint = f"{name!r} is fixed; drop the condition" if name in fixed else did_you_mean(name, known)
                raise SpaceError(f"{where}: {name!r} is not under [search]", hint=hint)
            if name == parameter.name:
                raise SpaceError(f"{where}: a parameter cannot depend on itself")
            for value in values:
                _check_taken(parameters[name], value, where)


def _check_taken(parameter: Parameter, value: Value, where: str) -> None:
    if parameter.kind == "choice":
        if value not in parameter:
            hint = did_you_mean(str(value), [str(choice) for choice in parameter.choices])
            raise SpaceError(f"{where}: {parameter.name} is never {value!r}", hint=hint)
        return
    try:
        check_value(parameter.name, value)
    except ConfigError as error:
        raise SpaceError(f"{where}: {error.message}", hint=error.hint) from error
    if value not in parameter:
        raise SpaceError(f"{where}: {parameter.name} is never {value!r}, it goes from {parameter.describe()}")
