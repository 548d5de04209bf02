"""The objective decides between epochs, and never for one that is not a number."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colournet.errors import ConfigError
from colournet.objective import Objective

LOSS, ACCURACY = Objective(), Objective("val_accuracy", "maximize")
numbers = st.floats(allow_nan=False, allow_infinity=False)
anything = st.none() | st.floats()


@given(value=numbers, other=numbers)
def test_goal(value: float, other: float) -> None:
    """A smaller loss and a larger accuracy are better; an equal one is not."""
    assert LOSS.is_better(value, other) == (value < other)
    assert ACCURACY.is_better(value, other) == (value > other)


@pytest.mark.parametrize("objective", [LOSS, ACCURACY])
@pytest.mark.parametrize("missing", [None, math.nan, math.inf, -math.inf])
def test_not_finite(objective: Objective, missing: float | None) -> None:
    """What is missing or not finite never beats, and any number beats it."""
    assert not objective.is_better(missing, 1.0)
    assert not objective.is_better(missing, missing)
    assert objective.is_better(1.0, missing)


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([3.0], 0),
        ([3.0, 1.0, 2.0], 1),
        ([1.0, 1.0], 0),
        ([math.nan, 2.0, None], 1),
        ([None, math.nan], 0),
        ([math.inf, 5.0], 1),
    ],
)
def test_best_index(values: list[float | None], best: int) -> None:
    """The best is the first of the smallest losses, or the first of all where none is finite."""
    assert LOSS.best_index(values) == best


@given(st.lists(anything, min_size=1))
def test_nothing_beats_the_best(values: list[float | None]) -> None:
    """No value is better than the best one, for either goal."""
    for objective in (LOSS, ACCURACY):
        best = values[objective.best_index(values)]
        assert not any(objective.is_better(value, best) for value in values)


def test_best_of_none() -> None:
    """Asking for the best of nothing is a mistake."""
    with pytest.raises(ValueError, match="no values"):
        LOSS.best_index([])


def test_unknown_metric() -> None:
    """A misspelt metric is refused with the nearest known one."""
    with pytest.raises(ConfigError, match="there is no metric 'val_los'") as caught:
        Objective("val_los", "minimize")

    assert caught.value.hint == "did you mean 'val_loss'?"


@pytest.mark.parametrize("goal", ["maximize", "minimise", ""])
def test_senseless_goal(goal: str) -> None:
    """A loss cannot be maximized."""
    with pytest.raises(ConfigError, match="val_loss is to be minimized"):
        Objective("val_loss", goal)
