"""The effect of one choice, all else equal: by hand, and on synthetic studies whose truth is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from study.analysis.effects import effects, pairs

SEARCHED = ("flip_horizontal", "extra_classes", "learning_rate")


def grid(*, seeds: int, effect: float = 0.0, noise: float = 0.01, generator: np.random.Generator) -> pd.DataFrame:
    """Completed trials of all combinations, with noise of their own, one for each seed, and one for each rate."""
    rows = []
    for seed, flip, classes in product(range(seeds), (False, True), ("none", "deer")):
        value = 1.0 + 0.1 * seed + (0.05 if classes == "deer" else 0.0) + (effect if flip else 0.0)
        rows.append((value + noise * generator.standard_normal(), flip, classes, 0.01, seed))
    return frame(rows)


def drawn(count: int, *, effect: float = 0.0, generator: np.random.Generator) -> pd.DataFrame:
    """Completed trials of settings drawn at random; the rate matters much."""
    rows = []
    for seed in range(count):
        flip, classes = bool(generator.integers(2)), ("none", "deer")[generator.integers(2)]
        rate = float(np.exp(generator.uniform(-7, -4)))
        value = 1.0 + 0.2 * np.log(rate) + (effect if flip else 0.0) + 0.02 * generator.standard_normal()
        rows.append((value, flip, classes, rate, seed))
    return frame(rows)


def frame(rows: list[tuple[float, bool, str, float, int]]) -> pd.DataFrame:
    found = pd.DataFrame(rows, columns=["value", "flip_horizontal", "extra_classes", "learning_rate", "seed"])
    found = found.astype({"flip_horizontal": "boolean", "extra_classes": "string"})
    return found.assign(number=range(len(found)), state="completed")


def flip_of(trials: pd.DataFrame) -> "pd.Series[object]":
    table = effects(trials, ["flip_horizontal", "extra_classes"], searched=SEARCHED)
    return table.set_index("field").loc["flip_horizontal"]


def test_pairs_share_all_but_one_setting() -> None:
    """By hand: three trials with flips and three without make two pairs by seed, and the rest is paired in order."""
    rows = [
        (1.0, False, "none", 0.01, 1),
        (2.0, False, "none", 0.01, 2),
        (4.0, False, "deer", 0.01, 1),
        (2.5, True, "none", 0.01, 2),
        (1.1, True, "none", 0.01, 1),
        (4.4, True, "deer", 0.01, 9),
        (7.0, True, "deer", 0.02, 1),
    ]
    found = pairs(frame(rows), "flip_horizontal", True, False, searched=SEARCHED)

    assert found[["number", "other"]].to_numpy().tolist() == [[3, 1], [4, 0], [5, 2]]
    assert found["difference"].tolist() == pytest.approx([0.5, 0.1, 0.4])


def test_a_paired_difference_by_hand() -> None:
    """Differences 0.1, 0.2 and 0.3: mean 0.2, standard error 0.0577, 95 % interval 0.2 ± 4.303 x 0.0577."""
    rows = [(1.0, False, "none", 0.01, seed) for seed in range(3)]
    rows += [(1.0 + 0.1 * (seed + 1), True, "none", 0.01, seed) for seed in range(3)]
    row = flip_of(frame(rows))

    assert (row["kind"], row["n"], row["reference"], row["level"]) == ("paired", 3, False, True)
    assert [row["difference"], row["low"], row["high"]] == pytest.approx([0.2, -0.0484, 0.4484], abs=1e-4)
    assert row["p"] == pytest.approx(0.0742, abs=1e-4)


def test_pruned_and_failed_trials_make_no_pair() -> None:
    """Two of three pairs are left, which are too few to tell anything, and no linear model fits so few trials."""
    rows = [(1.0, flip, "none", 0.01, seed) for seed in range(3) for flip in (False, True)]
    trials = frame(rows)
    trials.loc[5, "state"] = "pruned"
    assert flip_of(trials)["kind"] == "unknown"


def test_settings_drawn_at_random_are_adjusted_for() -> None:
    """No two trials share a learning rate, which matters ten times as much; the model finds the flips' 0.05 all the same."""
    row = flip_of(drawn(60, effect=-0.05, generator=np.random.default_rng(0)))

    assert row["kind"] == "adjusted"
    assert row["low"] < -0.05 < row["high"] < 0


def test_the_model_is_that_of_least_squares() -> None:
    """Difference and interval agree with numpy's own solution and the textbook's standard error."""
    trials = drawn(40, effect=0.1, generator=np.random.default_rng(3))
    rates = np.log(trials["learning_rate"])
    matrix = np.column_stack([np.ones(40), trials["flip_horizontal"], trials["extra_classes"] == "deer", rates]).astype(
        float
    )
    weights, residual, *_ = np.linalg.lstsq(matrix, trials["value"], rcond=None)
    error = np.sqrt(residual[0] / 36 * np.linalg.inv(matrix.T @ matrix)[1, 1])
    row = flip_of(trials)

    assert row["difference"] == pytest.approx(weights[1])
    assert (row["high"] - row["low"]) / 2 == pytest.approx(2.0281 * error, rel=1e-4)  # t of 36 degrees of freedom


@pytest.mark.parametrize("study", ["grid", "drawn"])
def test_no_effect_is_not_called_one(study: str) -> None:
    """Flips do nothing in 200 studies; about 5 of 100 intervals miss zero."""
    generator = np.random.default_rng(1)
    missed = 0
    for _ in range(200):
        trials = grid(seeds=4, generator=generator) if study == "grid" else drawn(24, generator=generator)
        row = flip_of(trials)
        missed += not row["low"] <= 0 <= row["high"]
    assert 2 <= missed <= 20


@pytest.mark.parametrize("study", ["grid", "drawn"])
def test_a_planted_effect_is_found(study: str) -> None:
    """An effect of several times the noise is found in at least 57 of 60 studies."""
    generator = np.random.default_rng(2)
    found = 0
    for _ in range(60):
        trials = (
            grid(seeds=4, effect=-0.03, generator=generator)
            if study == "grid"
            else drawn(40, effect=-0.05, generator=generator)
        )
        row = flip_of(trials)
        found += row["high"] < 0 and row["p"] < 0.05
    assert found >= 57


def test_an_empty_study_has_no_effects() -> None:
    """Nothing is asked, nothing is told."""
    assert effects(frame([]), ["flip_horizontal"], searched=SEARCHED).empty
