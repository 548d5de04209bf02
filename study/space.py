"""Search spaces: TOML in, checked to the last name, with errors that say what to write instead. Standard library only."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from colournet.config import TrainConfig
from colournet.errors import UserError
from colournet.objective import Objective
from colournet.palette_name import PaletteName
from study import layout
from study.errors import SpaceError
from study.grid import points
from study.known_points import Point, parse_points
from study.parameters import Parameter, Value
from study.space_tables import (
    PRUNERS,
    SAMPLERS,
    Choice,
    parse_choice,
    parse_fixed,
    parse_objective,
    parse_search,
    parse_text,
    parse_whole_number,
    read_toml,
)

_SAMPLED_CHECKS = 200
_MOST_PALETTES = 16


@dataclass(frozen=True, kw_only=True)
class Space:
    """What a study searches, and how."""

    name: str
    is_named: bool
    """Whether the TOML says the name; else it is the file's."""
    question: str | None
    objective: Objective
    trials: int
    seed: int
    sampler: Choice
    pruner: Choice
    fixed: Mapping[str, Value]
    search: Mapping[str, Parameter]
    """In an order in which every parameter comes after those that its condition names."""
    grid: tuple[Point, ...]
    """The points that the sampler `grid` asks for, round after round, each round with a seed of its own; else none."""
    enqueue: tuple[Point, ...]
    """Known points, which are asked for before the sampler decides; what one leaves open the sampler draws."""
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
        table = read_toml(text)
        fixed = parse_fixed(table)
        search = parse_search(table, fixed)
        sampler = parse_choice(table, "sampler", SAMPLERS, default="tpe")
        is_grid = sampler.kind == "grid"
        grid = points(search) if is_grid else ()
        own_name = parse_text(table, "name")
        space = cls(
            name=layout.check_name(own_name or default_name),
            is_named=bool(own_name),
            question=parse_text(table, "question"),
            objective=parse_objective(table),
            trials=parse_whole_number(table, "trials", default=len(grid) or 20, low=1),
            seed=parse_whole_number(table, "seed", default=0, low=0),
            sampler=sampler,
            pruner=parse_choice(table, "pruner", PRUNERS, default="none" if is_grid else "successive_halving"),
            fixed=fixed,
            search=search,
            grid=grid,
            enqueue=parse_points(table.get("enqueue", []), search, fixed),
            text=text,
        )
        space._check_comparable()
        space._check_combinations()
        if grid and space.enqueue:
            raise SpaceError("a grid has all points already", hint="leave out [[enqueue]]")
        if "pruner" in table:  # the default pruner may have nothing to do
            space._check_pruner()
        return space

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the TOML."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def trial_seed(self, number: int) -> int:
        """The seed of a trial: from the study's seed and the trial's number, unless `[fixed]` sets one for all.

        Of a grid, from the number of its round, so that all points of a round share it.
        """
        if "seed" in self.fixed:
            return int(self.fixed["seed"])
        digest = hashlib.sha256(f"{self.seed}/{number // (len(self.grid) or 1)}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def config(self, params: Mapping[str, Value], *, seed: int = 0, form: str = "reference") -> TrainConfig:
        """The configuration of a trial, computed in `form` unless the space names another.

        Raises `ConfigError` for a combination that means nothing.
        """
        return TrainConfig.from_mapping({"form": form, **self.fixed, **params, "seed": seed})

    def epochs(self, params: Mapping[str, Value]) -> int:
        """How many epochs a trial is asked for."""
        return int(params.get("epochs", self.fixed.get("epochs", TrainConfig.epochs)))

    def sample(self, generator: random.Random, *, known: Point | None = None) -> dict[str, Value]:
        """Draw parameters at random, as the conditions allow; those of a known point are as they are there."""
        known = known or {}
        params: dict[str, Value] = {}
        for name, parameter in self.search.items():
            if parameter.is_active(params):
                params[name] = known[name] if name in known else parameter.sample(generator)
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
        self._try({}, "some configurations mean nothing")
        for number, point in enumerate(self.enqueue, start=1):
            self._try(point, f"[[enqueue]] {number} means nothing")

    def _try(self, known: Point, complaint: str) -> None:
        generator = random.Random(0)
        for _ in range(_SAMPLED_CHECKS):
            params = self.sample(generator, known=known)
            try:
                self.config(params)
            except UserError as error:
                raise SpaceError(f"{complaint}: {error.message}", hint=error.hint) from error
            if params == known:  # nothing was left open
                return

    def _check_pruner(self) -> None:
        """A pruner that waits for longer than any trial lasts would never prune one."""
        waits, most = self.pruner.options.get("min_epochs"), max(self.taken("epochs"))
        if waits is not None and waits >= most:
            raise SpaceError(
                f"pruner: min_epochs = {waits} lets every trial run to its end, none has more than {most} epochs",
                hint='lower min_epochs, raise epochs, or write pruner = { kind = "none" }',
            )
