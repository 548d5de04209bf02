"""Intervals and p values, on numbers worked out by hand: for two degrees of freedom, p = 1 - t / sqrt(t² + 2)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from study.analysis.intervals import Estimate, estimate, holm, one_more, p_of_mean, p_of_one_more

T_2 = 4.302653  # the 97.5 % quantile of Student's t with two degrees of freedom
SEEN = estimate([1.0, 2.0, 3.0])


def test_a_mean_has_its_interval() -> None:
    """Of 1, 2 and 3 the mean is 2, the deviation 1, and half the interval t over the root of three."""
    assert (SEEN.n, SEEN.mean, SEEN.sd) == (3, 2.0, 1.0)
    assert (SEEN.low, SEEN.high) == pytest.approx((2 - T_2 / math.sqrt(3), 2 + T_2 / math.sqrt(3)))
    assert SEEN.half_width == pytest.approx(T_2 / math.sqrt(3))


def test_one_more_value_lies_in_a_wider_interval() -> None:
    """A single value varies around the mean, which is uncertain itself: the variances add."""
    assert one_more(SEEN) == pytest.approx((2 - T_2 * math.sqrt(4 / 3), 2 + T_2 * math.sqrt(4 / 3)))


def test_the_p_of_a_mean() -> None:
    """Three values of mean 2 and deviation 1 are t = 2 sqrt(3) from zero: p = 1 - sqrt(12 / 14); from 2 they are not apart."""
    assert p_of_mean(SEEN) == pytest.approx(1 - math.sqrt(12 / 14))
    assert p_of_mean(estimate([-1.0, -2.0, -3.0])) == pytest.approx(1 - math.sqrt(12 / 14))
    assert p_of_mean(SEEN, mean=2.0) == 1.0


def test_the_p_of_one_more_value() -> None:
    """5 is t = 3 / sqrt(4 / 3) from the mean of 1, 2 and 3; p is 0.05 at the end of the interval."""
    assert p_of_one_more(SEEN, 5.0) == pytest.approx(1 - math.sqrt(6.75 / 8.75))
    assert p_of_one_more(SEEN, one_more(SEEN)[0]) == pytest.approx(0.05)


def test_values_that_do_not_vary_leave_no_doubt() -> None:
    """Equal values have an interval of no length; what differs from them does so for certain."""
    same = estimate([0.5, 0.5, 0.5])

    assert (same.low, same.high) == (0.5, 0.5)
    assert (p_of_mean(same), p_of_mean(same, mean=0.5)) == (0.0, 1.0)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_of_less_than_two_values_nothing_is_told(values: list[float]) -> None:
    """Deviation, intervals and p are NaN, not an error and not a number."""
    seen = estimate(values)

    assert seen.n == len(values)
    told = [seen.sd, seen.low, seen.high, *one_more(seen), p_of_mean(seen), p_of_one_more(seen, 2.0)]
    assert all(math.isnan(number) for number in told)


def test_holm_multiplies_by_the_questions_that_are_left() -> None:
    """The least p counts threefold, the next twice, and none comes before one that is less; the order stays."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_intervals_hold_what_they_promise() -> None:
    """Of 2,000 samples of four, 95 in 100 intervals hold the true mean, and as many hold one more value."""
    draws = np.random.default_rng(0).normal(3.0, 2.0, (2000, 5))
    seen: list[Estimate] = [estimate(row[:4].tolist()) for row in draws]

    of_mean = np.mean([found.low <= 3.0 <= found.high for found in seen])
    of_value = np.mean(
        [one_more(found)[0] <= row[4] <= one_more(found)[1] for found, row in zip(seen, draws, strict=True)]
    )
    assert of_mean == pytest.approx(0.95, abs=0.015)
    assert of_value == pytest.approx(0.95, abs=0.015)
