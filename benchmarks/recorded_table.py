"""Recorded learning curves, asked for by configuration.

Every combination of choices was trained, so that each is answered by runs of just these choices; of their learning rates the
nearest one answers, on a logarithmic scale. So all curves are real, with their noise and their crossings, and nothing between
them is made up: a fitted model would be smoother than training is, and its best point nobody's.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.curves import CURVES

_HAIR = 1e-6
"""The most by which two trainings of one configuration differ, as a share of the loss: it makes an order, and nothing else."""


@dataclass(frozen=True)
class Curve:
    """One configuration's training."""

    losses: tuple[float, ...]
    """The validation loss after each epoch."""
    seconds: float
    """Seconds of CPU of an epoch."""


class Table:
    """The recorded curves of a space."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """`rows` have `params`, `seconds` and `val_loss`, as `benchmarks.curves` writes them."""
        self._curves: dict[tuple[Any, ...], list[tuple[float, Curve]]] = defaultdict(list)
        self._choices: tuple[str, ...] = ()
        for row in rows:
            params = row["params"]
            self._choices = tuple(name for name in params if name != "learning_rate")
            curve = Curve(tuple(row["val_loss"]), row["seconds"])
            self._curves[self._cell(params)].append((math.log(params["learning_rate"]), curve))

    @classmethod
    def read(cls, path: Path = CURVES) -> Table:
        """Read what `benchmarks.curves` wrote."""
        with path.open(encoding="utf-8") as lines:
            next(lines)  # what the rest was made by
            return cls(map(json.loads, lines))

    def curve(self, config: Mapping[str, Any]) -> Curve:
        """The curve of a configuration, of which only what the space searches counts."""
        wanted = math.log(config["learning_rate"])
        return min(self._curves[self._cell(config)], key=lambda entry: abs(entry[0] - wanted))[1]

    def again(self, config: Mapping[str, Any], *, generator: random.Random) -> Curve:
        """The curve of a configuration as one more training of it gives it: a hair off, the same at each epoch.

        So chance decides which of two trainings of one configuration is the better one. Were they equal, a pruner that lets
        equals go on would train each to its end, and one that does not, none but the first.
        """
        curve, factor = self.curve(config), 1 + _HAIR * generator.random()
        return Curve(tuple(loss * factor for loss in curve.losses), curve.seconds)

    def thinned(self, rates: int, *, generator: random.Random) -> Table:
        """A table that has only so many learning rates, drawn at random, of each combination of choices."""
        part = Table([])
        part._choices = self._choices
        part._curves = {cell: generator.sample(entries, rates) for cell, entries in self._curves.items()}
        return part

    @property
    def curves(self) -> list[Curve]:
        """All of them."""
        return [curve for entries in self._curves.values() for _, curve in entries]

    @property
    def best(self) -> float:
        """The best loss that any configuration has after any epoch."""
        return min(min(curve.losses) for curve in self.curves)

    def _cell(self, config: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(config[name] for name in self._choices)
