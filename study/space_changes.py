"""What differs between the search space that a study has and another, and whether the study can go on with that one.

A running study can accept a *widening*: all that was asked before could have been asked of the new space, and every
trial is judged as before. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any

from study.errors import SpaceError
from study.parameters import Condition, Parameter
from study.space import Space
from study.space_tables import Choice

_JUDGED = "trials before and after it would not be judged alike"
_DRAWN = "the trials asked so far would have been asked otherwise"
_DATA = "its palettes and floors were measured when the study began, and no other palettes have any"
_OF_PALETTES = ("num_colours", "colour_space")
_DEALT = "its trials would be dealt to others than they were pruned in"
_ORDERED = "the trials asked so far would have been other points of it"
_NUMBERED = "known points are asked once each, by their number; new ones go behind the old"


def _in_words(choice: Choice) -> str:
    return " ".join([choice.kind, *(f"{name}={value}" for name, value in choice.options.items())])


def _grid_in_words(space: Space) -> str | None:
    """How many points, and a mark of which they are and in what order."""
    mark = hashlib.sha256(repr(space.grid).encode()).hexdigest()[:8]
    return f"{len(space.grid)} points, {mark}" if space.grid else None


_OF_THE_STUDY: Sequence[tuple[str, Callable[[Space], Any], str | None]] = (
    ("name", lambda space: space.name if space.is_named else None, "it is the study's identity"),
    ("question", lambda space: space.question, None),
    ("objective", lambda space: f"{space.objective.goal} {space.objective.metric}", _JUDGED),
    ("trials", lambda space: space.trials, None),
    ("seed", lambda space: space.seed, _DRAWN),
    ("sampler", lambda space: _in_words(space.sampler), _DRAWN),
    ("grid", _grid_in_words, _ORDERED),
    ("pruner", lambda space: _in_words(space.pruner), _JUDGED),
)
"""What a space says beside its tables: what to call it, how to find it, and the objection to a change of it."""


@dataclass(frozen=True)
class Change:
    """One difference."""

    text: str
    """What it is, with the old value and the new."""
    objection: str | None = None
    """Why a running study cannot accept it; None for a widening."""

    def __str__(self) -> str:
        return self.text if self.objection is None else f"{self.text}: {self.objection}"


@dataclass(frozen=True)
class Changes:
    """All differences between two spaces, in the order of a space's keys. That of keys, choices and comments is none."""

    found: tuple[Change, ...]

    @property
    def is_none(self) -> bool:
        """Whether the spaces mean the same."""
        return not self.found

    @property
    def is_widening(self) -> bool:
        """Whether there are differences, and a running study can accept all of them."""
        return bool(self.found) and all(change.objection is None for change in self.found)

    @property
    def lines(self) -> list[str]:
        """Each difference in words, with the objection to it if there is one."""
        return [str(change) for change in self.found]


def compare(old: Space, new: Space) -> Changes:
    """Find what differs between the space in force and a new one."""
    return Changes(
        (*_study_changes(old, new), *_fixed_changes(old, new), *_search_changes(old, new), *_points(old, new))
    )


def check_change(old: Space, new: Space, *, accepted: bool, study: str) -> list[str]:
    """The differences in words, none where the spaces mean the same.

    Raises `SpaceError`, with the differences as its hint, if `study` cannot accept one, or if the user has not `accepted`
    that there are any.
    """
    changes = compare(old, new)
    listed = "\n".join(changes.lines)
    if changes.is_none or (changes.is_widening and accepted):
        return changes.lines
    if changes.is_widening:
        raise SpaceError(
            f"{study}: the search space is not the one that the study has",
            hint=f"{listed}\n--accept-space-change goes on with the new one, leaving the space out with the old",
        )
    raise SpaceError(
        f"{study}: the search space differs from the study's in what a running study cannot accept",
        hint=f"{listed}\nstudy launch SPACE --name OTHER begins another study with it",
    )


def _study_changes(old: Space, new: Space) -> Iterator[Change]:
    for what, of, objection in _OF_THE_STUDY:
        yield from _changed(what, of(old), of(new), objection=objection)
    if old.pruner.kind == new.pruner.kind == "hyperband":
        yield from _changed("hyperband's brackets", _brackets(old), _brackets(new), objection=_DEALT)


def _brackets(space: Space) -> int:
    """How many brackets Optuna's hyperband makes, as it reckons it from the most epochs that a trial may have."""
    options = space.pruner.options
    resources = max(space.taken("epochs")) / options["min_epochs"]
    return math.floor(math.log(resources, options["reduction_factor"])) + 1


def _fixed_changes(old: Space, new: Space) -> Iterator[Change]:
    for name in _names(old.fixed, new.fixed):
        values = old.fixed.get(name), new.fixed.get(name)
        if name not in new.search and name not in old.search:
            yield from _changed(f"[fixed] {name}", *values, objection=_JUDGED)


def _search_changes(old: Space, new: Space) -> Iterator[Change]:
    for name in _names(old.search, new.search):
        where, before, after = f"[search.{name}]", old.search.get(name), new.search.get(name)
        if before is None:
            was = f"was fixed at {_toml(old.fixed[name])}" if name in old.fixed else "is new"
            yield Change(f"{where} {was}", "the trials asked so far have no such parameter")
        elif after is None:
            now = f"is fixed at {_toml(new.fixed[name])} now" if name in new.fixed else "is gone"
            yield Change(f"{where} {now}", "the trials asked so far have that parameter")
        else:
            yield from _parameter_changes(where, before, after)


def _parameter_changes(where: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    if old.kind != new.kind:
        yield Change(f"{where} kind: was {old.kind}, is {new.kind}", _DRAWN)
    elif old.kind == "choice":
        yield from _choice_changes(where, old, new)
    elif _range(old) != _range(new):
        yield Change(f"{where} was {_range(old)}, is {_range(new)}", _objection_to_range(old, new))
    if _condition(old.when) != _condition(new.when):
        yield Change(f"{where} when: was {_condition(old.when)}, is {_condition(new.when)}", _DRAWN)


def _choice_changes(where: str, old: Parameter, new: Parameter) -> Iterator[Change]:
    gone = [choice for choice in old.choices if choice not in new.choices]
    come = [choice for choice in new.choices if choice not in old.choices]
    if not gone and not come:
        return
    objection = _DATA if old.name in _OF_PALETTES else None
    if gone:
        objection = f"trials may have been asked with {', '.join(map(_toml, gone))}"
    yield Change(f"{where} choices: were {_toml(old.choices)}, are {_toml(new.choices)}", objection)


def _objection_to_range(old: Parameter, new: Parameter) -> str | None:
    if old.log != new.log:
        return _DRAWN
    if not _contains(new, old):
        return "trials may have been asked with values that it leaves out"
    return _DATA if old.name in _OF_PALETTES else None


def _contains(new: Parameter, old: Parameter) -> bool:
    """Whether every value of the old range is one of the new, which is reckoned with exact decimals."""
    if not new.low <= old.low <= old.highest <= new.highest:
        return False
    new_step, old_step = (parameter.step or (1 if parameter.kind == "int" else None) for parameter in (new, old))
    if new_step is None:
        return True
    if (_exact(old.low) - _exact(new.low)) % _exact(new_step) != 0:
        return False
    return old.low == old.highest or (old_step is not None and _exact(old_step) % _exact(new_step) == 0)


def _points(old: Space, new: Space) -> Iterator[Change]:
    for number, (before, after) in enumerate(zip_longest(old.enqueue, new.enqueue), start=1):
        if before is None:
            yield Change(f"[[enqueue]] {number} is new: {_toml(after)}")
        elif after is None:
            yield Change(f"[[enqueue]] {number} is gone: {_toml(before)}", _NUMBERED)
        else:
            yield from _changed(f"[[enqueue]] {number}", before, after, objection=_NUMBERED)


def _changed(what: str, old: Any, new: Any, *, objection: str | None = None) -> Iterator[Change]:
    if old != new:
        yield Change(f"{what}: was {_toml(old)}, is {_toml(new)}", objection)


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [*old, *(name for name in new if name not in old)]


def _range(parameter: Parameter) -> str:
    """A range in words, the same for the same range."""
    number = int if parameter.kind == "int" else float
    is_plain = parameter.step is None or (parameter.kind == "int" and parameter.step == 1)
    step = "" if is_plain else f", step {number(parameter.step or 1)}"
    return f"{number(parameter.low)} to {number(parameter.high)}{step}{', log' if parameter.log else ''}"


def _condition(when: Condition) -> str:
    """A condition in words, the same for the same condition."""
    names = (f"{name} in {_toml(sorted(values, key=_toml))}" for name, values in sorted(when.items()))
    return " and ".join(names) or "always"


def _toml(value: Any) -> str:
    """A value as it stands in the file."""
    if value is None:
        return "not set"
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_toml(item)}" for name, item in value.items())
    return json.dumps(value, ensure_ascii=False)


def _exact(number: float) -> Fraction:
    return Fraction(str(number))
