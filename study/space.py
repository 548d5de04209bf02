"""Search spaces: TOML in, checked to the last name, with errors that say what to write instead. Standard library only."""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from colournet.config import TrainConfig, check_name, check_value
from colournet.errors import UserError, did_you_mean
from colournet.objective import GOALS, Objective
from colournet.palette_name import PaletteName
from study import layout
from study.errors import SpaceError
from study.parameters import Parameter, Value, check_conditions, in_order

_KEYS = ("name", "question", "objective", "trials", "seed", "sampler", "pruner", "fixed", "search")

SAMPLERS: Mapping[str, Mapping[str, Any]] = {
    "tpe": {"startup_trials": 10},
    "random": {},
}
"""The samplers, with their options and what these are by default."""

PRUNERS: Mapping[str, Mapping[str, Any]] = {
    "successive_halving": {"min_epochs": 1, "reduction_factor": 3},
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
_SAMPLED_CHECKS = 200
_MOST_PALETTES = 16


@dataclass(frozen=True)
class Choice:
    """A sampler or pruner: its kind, and every option that the kind has."""

    kind: str
    options: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a study searches, and how."""

    name: str
    question: str | None
    objective: Objective
    trials: int
    seed: int
    sampler: Choice
    pruner: Choice
    fixed: Mapping[str, Value]
    search: Mapping[str, Parameter]
    """In an order in which every parameter comes after those that its condition names."""
    text: str
    """The TOML, byte for byte."""

    @classmethod
    def load(cls, path: Path) -> Space:
        """Read a search space from a file. Raises `SpaceError` naming the file for anything that is wrong with it."""
        try:
            text = path.read_bytes().decode("utf-8")
        except OSError as error:
            hint = "the spaces that come with the project are under search_spaces/"
            raise SpaceError(f"{path}: cannot be read: {error.strerror}", hint=hint) from error
        except UnicodeDecodeError as error:
            raise SpaceError(f"{path}: not UTF-8 text") from error
        try:
            return cls.parse(text, default_name=path.stem)
        except UserError as error:
            raise SpaceError(f"{path.name}: {error.message}", hint=error.hint) from error

    @classmethod
    def parse(cls, text: str, *, default_name: str = "study") -> Space:
        """Read a search space from TOML text. Raises `SpaceError` or `ConfigError` for anything that is wrong with it."""
        try:
            table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # not TOML, a number too long, nested too deep
            raise SpaceError(f"not valid TOML: {error}") from error
        _check_integers(table)
        for key in table:
            if key not in _KEYS:
                raise SpaceError(f"unknown key {key!r}", hint=did_you_mean(key, _KEYS))
        fixed = _parse_fixed(_table(table, "fixed"))
        search = _parse_search(_table(table, "search"), fixed)
        space = cls(
            name=layout.check_name(_text(table, "name") or default_name),
            question=_text(table, "question"),
            objective=_parse_objective(_table(table, "objective")),
            trials=_whole_number("trials", table.get("trials", 20), low=1),
            seed=_whole_number("seed", table.get("seed", 0), low=0),
            sampler=_parse_choice("sampler", _table(table, "sampler"), SAMPLERS, default="tpe"),
            pruner=_parse_choice("pruner", _table(table, "pruner"), PRUNERS, default="successive_halving"),
            fixed=fixed,
            search=search,
            text=text,
        )
        space._check_comparable()
        space._check_combinations()
        if "pruner" in table:  # the default pruner may have nothing to do
            space._check_pruner()
        return space

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the TOML."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def trial_seed(self, number: int) -> int:
        """The seed of a trial: from the study's seed and the trial's number, unless `[fixed]` sets one for all."""
        if "seed" in self.fixed:
            return int(self.fixed["seed"])
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def config(self, params: Mapping[str, Value], *, seed: int = 0) -> TrainConfig:
        """The configuration of a trial. Raises `ConfigError` for a combination that means nothing."""
        return TrainConfig.from_mapping({**self.fixed, **params, "seed": seed})

    def sample(self, generator: random.Random) -> dict[str, Value]:
        """Draw parameters at random, as the conditions allow."""
        params: dict[str, Value] = {}
        for name, parameter in self.search.items():
            if parameter.is_active(params):
                params[name] = parameter.sample(generator)
        return params

    def taken(self, name: str) -> list[Value]:
        """All values that a field takes in this space: fixed, searched (those of a `float` left out), or its default.

        A searched field with a condition takes its default too, where the condition is not met.
        """
        if name in self.fixed:
            return [self.fixed[name]]
        parameter = self.search.get(name)
        values = [] if parameter is None else parameter.values
        default = getattr(TrainConfig(), name)
        return values if parameter is not None and (not parameter.when or default in values) else [*values, default]

    @property
    def palettes(self) -> list[PaletteName]:
        """The palettes in which trials may be measured."""
        spaces = self.taken("colour_space")
        return [PaletteName(colours, space) for colours in self.taken("num_colours") for space in spaces]

    def _check_comparable(self) -> None:
        """Trials are ranked by one number; it must mean the same for all of them."""
        metric = self.objective.metric
        regressions = {model == "regression_cnn" for model in self.taken("model")}
        if metric == "val_loss" and len(regressions) > 1:
            raise SpaceError(
                "val_loss is a squared error for 'regression_cnn' and a cross-entropy for the others",
                hint='compare them by objective = { metric = "val_mse", goal = "minimize" }',
            )
        for name, words in (("num_colours", "numbers of colours"), ("colour_space", "colour spaces")):
            if name in self.search and metric != "val_mse":
                raise SpaceError(
                    f"{metric} over different {words} cannot be compared",
                    hint='compare them by objective = { metric = "val_mse", goal = "minimize" }',
                )
        if len(self.palettes) > _MOST_PALETTES:
            raise SpaceError(
                f"the values of num_colours need {len(self.palettes)} palettes, each fitted before the first trial",
                hint=f"name up to {_MOST_PALETTES} by choices, or use a step",
            )

    def _check_combinations(self) -> None:
        """Try configurations at random, so that one that means nothing is told now and not by a failed trial."""
        generator = random.Random(0)
        for _ in range(_SAMPLED_CHECKS):
            params = self.sample(generator)
            try:
                self.config(params)
            except UserError as error:
                raise SpaceError(f"some configurations mean nothing: {error.message}", hint=error.hint) from error

    def _check_pruner(self) -> None:
        """A pruner that waits for longer than any trial lasts would never prune one."""
        waits, most = self.pruner.options.get("min_epochs"), max(self.taken("epochs"))
        if waits is not None and waits >= most:
            raise SpaceError(
                f"pruner: min_epochs = {waits} lets every trial run to its end, none has more than {most} epochs",
                hint='lower min_epochs, raise epochs, or write pruner = { kind = "none" }',
            )


def _parse_fixed(table: Mapping[str, Any]) -> dict[str, Value]:
    for name, value in table.items():
        with _Under("[fixed]"):
            check_name(name)
            check_value(name, value)
    return dict(table)


def _parse_search(table: Mapping[str, Any], fixed: Mapping[str, Value]) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    for name, entry in table.items():
        with _Under("[search]"):
            check_name(name)
        with _Under(f"[search.{name}]"):
            parameters[name] = Parameter.parse(name, entry)
            if name in fixed:
                raise SpaceError(f"{name!r} is under [fixed] too", hint="leave it in one of them")
    if not parameters:
        raise SpaceError("nothing to search: there is no [search.NAME] table", hint="see search_spaces/quick.toml")
    check_conditions(parameters, fixed)
    return in_order(parameters)


def _parse_objective(table: Mapping[str, Any]) -> Objective:
    for key in table:
        if key not in ("metric", "goal"):
            raise SpaceError(f"objective: unknown key {key!r}", hint=did_you_mean(key, ("metric", "goal")))
    metric = str(table.get("metric", "val_loss"))
    return Objective(metric, str(table.get("goal", GOALS.get(metric, "minimize"))))


def _parse_choice(
    key: str, table: Mapping[str, Any], kinds: Mapping[str, Mapping[str, Any]], *, default: str
) -> Choice:
    given = dict(table)
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


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise SpaceError(f"{key} must be a table, got {value!r}")
    return value


def _text(table: Mapping[str, Any], key: str) -> str | None:
    value = table.get(key)
    if value is not None and not isinstance(value, str):
        raise SpaceError(f"{key} must be text, got {value!r}", hint=f'write {key} = "{value}"')
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


def _whole_number(key: str, value: Any, *, low: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise SpaceError(f"{key} must be a whole number of at least {low}, got {value!r}")
    return value


class _Under:
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
