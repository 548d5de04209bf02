"""What `study check` tells of a search space before anything is run. Standard library only."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from study.cost import estimate
from study.known_points import left_open
from study.space import Space
from study.text import describe_params, duration, format_value, table


def preview(space: Space, results: Path) -> str:
    """Dimensions and conditions, one sampled configuration, and an estimate of the cost."""
    cost = estimate(space)
    taken = (results / space.name).exists()
    sampler = " ".join([space.sampler.kind, *(f"{name}={value}" for name, value in space.sampler.options.items())])
    pruner = " ".join([space.pruner.kind, *(f"{name}={value}" for name, value in space.pruner.options.items())])
    fixed = ", ".join(f"{name} = {format_value(value)}" for name, value in space.fixed.items()) or "nothing"
    lines = [
        f"{space.name}: valid" + (f", but {results / space.name} exists already: launch with --name" if taken else ""),
        *([f"  question   {space.question}"] if space.question else []),
        f"  objective  {space.objective.metric}, {space.objective.goal}, of a trial's best epoch",
        f"  trials     {space.trials}, seed {space.seed}",
        f"  sampler    {sampler}",
        f"  pruner     {pruner}",
        f"  fixed      {fixed}",
        "",
        _dimensions(space),
        "",
        *_known_points(space),
        *_grid(space),
        "one configuration at random:",
        *(f"  {name} = {format_value(value)}" for name, value in space.sample(random.Random()).items()),
        "",
        f"cost, if nothing is pruned: about {cost.epochs:.0f} epochs, {duration(cost.core_seconds)} on one CPU core",
    ]
    return "\n".join(lines)


def preview_json(space: Space) -> dict[str, Any]:
    """What a space asks and costs, JSON-ready."""
    cost = estimate(space)
    return {
        "study": space.name,
        "question": space.question,
        "trials": space.trials,
        "seed": space.seed,
        "objective": {"metric": space.objective.metric, "goal": space.objective.goal},
        "sampler": space.sampler.kind,
        "pruner": space.pruner.kind,
        "cost": {"epochs": cost.epochs, "core_seconds": cost.core_seconds},
    }


def _dimensions(space: Space) -> str:
    rows = [
        [name, parameter.kind, parameter.describe(), _when(parameter.when)] for name, parameter in space.search.items()
    ]
    return table(["dimension", "kind", "values", "only when"], rows)


def _known_points(space: Space) -> list[str]:
    """A paragraph of the points that are asked for first; nothing where there are none."""
    if not space.enqueue:
        return []
    lines = []
    for point in space.enqueue:
        drawn = ", ".join(left_open(point, space.search))
        lines.append(f"  {describe_params(point)}" + (f"; the sampler draws {drawn}" if drawn else ""))
    return ["known points, asked first:", *lines, ""]


def _grid(space: Space) -> list[str]:
    """A line of how often a grid is gone through; nothing for what is no grid."""
    if not space.grid:
        return []
    rounds, rest = divmod(space.trials, len(space.grid))
    more = f", and {rest} of its points once more" if rest else ""
    return [f"the grid's {len(space.grid)} points, {rounds} times, each time with another seed{more}", ""]


def _when(condition: object) -> str:
    assert isinstance(condition, dict)
    return " and ".join(
        f"{name} is {' or '.join(format_value(value) for value in values)}" for name, values in condition.items()
    )
