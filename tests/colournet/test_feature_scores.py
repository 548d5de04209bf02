"""Measures by features: figures that can be told by hand, the definition pair by pair, and what repetition shows."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from colournet import feature_scores
from colournet.config import CLASSES
from colournet.feature_scores import class_accuracy, feature_distances, kernel_distance

SEEDS = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def maps(seed: int, *, count: int = 3) -> list[Tensor]:
    """Features of two stages."""
    return [noise(seed, count, 4, 6, 6), noise(seed + 1, count, 8, 3, 3)]


def test_accuracy_by_hand() -> None:
    """Of four images two are taken for a bird."""
    logits = torch.zeros(4, 10)
    for image, name in enumerate(["bird", "cat", "bird", "truck"]):
        logits[image, CLASSES.index(name)] = 1.0

    assert class_accuracy(logits, "bird") == 0.5
    assert class_accuracy(logits, "cat") == 0.25
    assert class_accuracy(logits, "ship") == 0


def test_distance_by_hand() -> None:
    """A right angle is a squared distance of 2, no angle 0, whatever the length, and nothing beside something 1."""
    ones = {"x": [3.0, 0.0], "long x": [9.0, 0.0], "y": [0.0, 2.0], "nothing": [0.0, 0.0]}
    maps = {name: torch.tensor(values).reshape(1, 2, 1, 1) for name, values in ones.items()}

    def apart(*pairs: tuple[str, str]) -> float:
        return feature_distances([maps[one] for one, _ in pairs], [maps[other] for _, other in pairs]).item()

    assert apart(("x", "long x")) == apart(("nothing", "nothing")) == 0
    assert apart(("x", "y")) == pytest.approx(2)
    assert apart(("x", "nothing")) == pytest.approx(1)
    assert apart(("x", "y"), ("x", "x")) == pytest.approx(1)  # the mean of two stages


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, scale=st.floats(0.1, 10))
def test_distance(seed: int, scale: float) -> None:
    """The distance is symmetric, in [0, 2], 0 for the same, blind to scale, and of each image its own."""
    one, other = maps(seed), maps(seed + 2)

    apart = feature_distances(one, other)

    assert apart.shape == (3,)
    assert ((apart > 0) & (apart <= 2)).all()
    torch.testing.assert_close(feature_distances(other, one), apart)
    torch.testing.assert_close(feature_distances([scale * each for each in one], other), apart)
    assert feature_distances(one, one).tolist() == [0, 0, 0]
    last = feature_distances([each[2:] for each in one], [each[2:] for each in other])
    torch.testing.assert_close(last, apart[2:])


def kernel(x: Tensor, y: Tensor) -> float:
    return (float(x.double() @ y.double()) / len(x) + 1) ** 3


def kid_by_loops(x: Tensor, y: Tensor) -> float:
    """The definition, pair by pair."""
    within = [
        sum(kernel(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j) / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    across = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return sum(within) - 2 * across


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS, n=st.integers(2, 7), m=st.integers(2, 7))
def test_kid(seed: int, n: int, m: int) -> None:
    """The estimate is that of the definition, the same from both sides, and blind to the order of images and features."""
    x, y = noise(seed, n, 5), 1.5 * noise(seed + 1, m, 5)

    kid, error = kernel_distance(x, y)

    assert kid == pytest.approx(kid_by_loops(x, y), abs=1e-9)
    assert kernel_distance(y, x) == pytest.approx((kid, error))
    assert kernel_distance(x.flip(0).roll(1, 1), y.roll(1, 1)) == pytest.approx((kid, error))


def test_kid_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many rows are computed at a time does not matter."""
    x, y = noise(0, 7, 5), noise(1, 8, 5)
    whole = kernel_distance(x, y)

    monkeypatch.setattr(feature_scores, "_KERNEL_ROWS", 3)

    assert kernel_distance(x, y) == pytest.approx(whole, abs=1e-9)


def test_kid_of_one_image() -> None:
    """A single image has no pairs, and so no estimate."""
    assert all(math.isnan(value) for value in kernel_distance(noise(0, 1, 5), noise(1, 8, 5)))


def test_kid_is_unbiased() -> None:
    """Over many halves of one distribution the estimates average to 0, and their spread is what the error says, or less."""
    found = [kernel_distance(noise(2 * seed, 30, 6), noise(2 * seed + 1, 50, 6)) for seed in range(300)]
    kids, errors = torch.tensor(found).T

    assert abs(kids.mean()) < 3 * kids.std() / math.sqrt(300)
    assert 0.5 < kids.std() / errors.mean() < 1
    assert (kids < 0).any()


def test_error_of_kid() -> None:
    """Between two distributions the standard error is the spread over repetitions, to a fifth."""
    found = [kernel_distance(0.5 + noise(2 * seed, 60, 6), noise(2 * seed + 1, 90, 6)) for seed in range(300)]
    kids, errors = torch.tensor(found).T

    assert kids.mean() > 5 * errors.mean()
    assert errors.mean().item() == pytest.approx(kids.std().item(), rel=0.2)
