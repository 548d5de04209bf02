"""The grid sampler: every combination, round after round, each round with one seed."""

import random

import pytest

from study import space_changes
from study.errors import SpaceError
from study.launch.optimizer import Optimizer
from study.space import Space
from tests.study.made_up_studies import MadeUpStudy

GRID = """
name = "grid"
sampler = { kind = "grid" }
[search.model]
kind = "choice"
choices = ["unet", "dilated_unet"]
[search.dilation]
kind = "int"
low = 2
high = 4
when = { model = ["dilated_unet"] }
[search.learning_rate]
kind = "float"
low = 0.1
high = 0.35
step = 0.1
[search.epochs]
kind = "choice"
choices = [2]
"""


def test_the_points_are_all_combinations() -> None:
    """A conditional parameter is varied only where it exists, and a stepped range by its steps."""
    space = Space.parse(GRID)

    assert len(space.grid) == (1 + 3) * 3
    assert [point["learning_rate"] for point in space.grid[:3]] == [0.1, 0.2, 0.3]
    assert all(("dilation" in point) == (point["model"] == "dilated_unet") for point in space.grid)
    assert len({tuple(point.items()) for point in space.grid}) == 12


def test_a_grid_is_one_round_that_prunes_nothing_unless_told_otherwise() -> None:
    """As many trials as there are points, no pruner; both can be set."""
    space = Space.parse(GRID)
    assert (space.trials, space.pruner.kind) == (12, "none")
    set_otherwise = Space.parse(
        GRID.replace("[search.model]", 'trials = 30\npruner = { kind = "median" }\n[search.model]', 1)
    )
    assert (set_otherwise.trials, set_otherwise.pruner.kind) == (30, "median")


def test_a_round_shares_its_seed() -> None:
    """All points of a round are trained with one seed, those of the next round with another."""
    space = Space.parse(GRID)
    seeds = [space.trial_seed(number) for number in range(36)]
    assert [len(set(seeds[start : start + 12])) for start in (0, 12, 24)] == [1, 1, 1]
    assert len(set(seeds)) == 3


@pytest.mark.parametrize("stopped_after", [0, 5, 12, 40])
def test_a_study_goes_through_the_points_in_order(stopped_after: int) -> None:
    """Round after round, whatever ends when, also where a driver died in the middle and the optimizer is rebuilt."""
    study = MadeUpStudy(Space.parse(GRID), trials=30)
    study.run(random.Random(0).randrange, steps=stopped_after)
    study.optimizer = Optimizer.rebuild(study.space, study.record, events=study.events)
    study.run(random.Random(1).randrange)

    assert [trial.params for trial in study.record.trials.values()] == [
        study.space.grid[number % 12] for number in range(30)
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("step = 0.1", "", "a grid needs a few values of each parameter, learning_rate"),
        ("step = 0.1", "step = 1e-6", "a grid needs a few values of each parameter, learning_rate"),
        ('kind = "choice"\nchoices = [2]', 'kind = "int"\nlow = 1\nhigh = 4000', "more than 10,000 points"),
        ("[search.epochs]", "[[enqueue]]\nepochs = 2\n[search.epochs]", "a grid has all points already"),
    ],
)
def test_what_is_no_grid_is_refused(old: str, new: str, complaint: str) -> None:
    """A range without steps, too many points, and points beside the grid's own."""
    with pytest.raises(SpaceError, match=complaint):
        Space.parse(GRID.replace(old, new))


@pytest.mark.parametrize(
    "change", [("choices = [2]", "choices = [2, 4]"), ('["unet", "dilated_unet"]', '["dilated_unet", "unet"]')]
)
def test_a_running_grid_stays_as_it_is(change: tuple[str, str]) -> None:
    """A new value or another order would make earlier numbers other points."""
    changes = space_changes.compare(Space.parse(GRID), Space.parse(GRID.replace(*change)))
    assert not changes.is_none
    assert not changes.is_widening
