import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

from study.analysis import fanova, fidelity, ped_anova, settings
from study.analysis.fidelity import Compared
from study.analysis.importance import MOST_TRIALS, Importance, importance
from study.analysis.measure import Measure
from study.space import Space

TEXT = """
[fixed]
dataset = "scenes"
[search.model]
kind = "choice"
choices = ["cnn", "unet", "dilated_unet"]
[search.dilation]
kind = "int"
low = 2
high = 4
when = { model = ["dilated_unet"] }
[search.batch_size]
kind = "choice"
choices = [50, 5]
[search.learning_rate]
kind = "float"
low = 1e-4
high = 1e-2
log = true
"""
SMALL = TEXT[: TEXT.index("[search.model]")] + TEXT[TEXT.index("[search.batch_size]") :]
MEASURE = Measure(metric="val_loss", goal="minimize", label="loss", name="loss", floors={})


def draw(
    text: str, n: int, value: Callable[[Any], float], *, seed: int, noise: float
) -> tuple[Space, pd.DataFrame, Compared]:
    """A space, the codes of n random points of it, and what each is worth, with noise."""
    space, generator = Space.parse(text), random.Random(seed)
    points = {number: space.sample(generator) for number in range(n)}
    values = pd.Series({number: value(point) + generator.gauss(0, noise) for number, point in points.items()})
    return space, settings.codes(points, settings.searched(space)), Compared(values, 3, n)


def judge(
    text: str, n: int, value: Callable[[Any], float], *, seed: int = 0, noise: float = 0.3, **some: int
) -> Importance:
    """The importance of what `draw` gives."""
    space, table, compared = draw(text, n, value, seed=seed, noise=noise)
    return importance(table, compared, space, settings.searched(space), goal="minimize", **some)


def mattering(found: Importance, method: str) -> set[str]:
    rows = found.of(method)
    return set(rows[rows["matters"].astype(bool)]["name"])


def test_settings_are_coded_in_their_order() -> None:
    """Numbers are coded in order, words as the space names them, and what a trial has not is NaN."""
    found = settings.searched(Space.parse(TEXT))
    points = [
        {"model": "unet", "batch_size": 50, "learning_rate": 1e-3},
        {"model": "dilated_unet", "dilation": 4, "batch_size": 5, "learning_rate": 1e-2},
    ]
    table = settings.codes(dict(enumerate(points)), found)
    assert table["model"].tolist() == [1, 2]
    assert table["batch_size"].tolist() == [1, 0]
    assert table["learning_rate"].tolist() == [1e-3, 1e-2]
    assert math.isnan(table["dilation"][0])
    assert table["dilation"][1] == 4
    features, places = settings.features(
        table[["model", "dilation"]], [one for one in found if one.name in ("model", "dilation")]
    )
    assert features.tolist() == [[0, 1, 0, 0], [0, 0, 1, 4]]
    assert places == [slice(0, 3), slice(3, 4)]


def test_a_setting_of_one_value_is_not_searched() -> None:
    """Where nothing varies, nothing can matter."""
    text = '[fixed]\ndataset = "scenes"\n[search.epochs]\nkind = "int"\nlow = 3\nhigh = 3\n'
    assert settings.searched(Space.parse(text)) == []


def test_a_logarithmic_range_is_measured_in_its_logarithm() -> None:
    """Half-way between the ends is their geometric mean, and the levels stand for equal parts of the logarithm."""
    rate = {one.name: one for one in settings.searched(Space.parse(TEXT))}["learning_rate"]
    assert rate.share([1e-4, 1e-3, 1e-2]) == pytest.approx([0, 0.5, 1])
    assert rate.at(0.5) == pytest.approx(1e-3)
    assert rate.share(rate.levels) == pytest.approx(np.arange(0.05, 1, 0.1))


def epochs_of(lengths: list[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials of so many epochs whose loss is ten times their number and falls by one an epoch; the longest are completed."""
    rows = [
        (number, epoch, 10.0 * number - epoch) for number, last in enumerate(lengths) for epoch in range(1, last + 1)
    ]
    states = ["completed" if last == max(lengths) else "pruned" for last in lengths]
    values = [10.0 * number - last for number, last in enumerate(lengths)]
    trials = pd.DataFrame({"number": range(len(lengths)), "state": states, "value": values})
    return trials, pd.DataFrame(rows, columns=["number", "epoch", "val_loss"])


def test_trials_are_compared_after_the_epochs_that_most_of_them_trained() -> None:
    """Pruned trials count with the others, each with its best value after as many epochs as three quarters of them trained."""
    trials, epochs = epochs_of([1, 3, 4, 9])
    found = fidelity.compare(trials, epochs, MEASURE, epochs_searched=False)
    assert (found.epochs, found.n, found.trials) == (3, 3, 4)
    assert found.values.to_dict() == {1: 7.0, 2: 17.0, 3: 27.0}


def test_where_epochs_are_searched_completed_trials_are_compared() -> None:
    """With eight completed trials their final values count; with fewer all trials are compared at one number of epochs."""
    trials, epochs = epochs_of([9] * 8 + [2])
    found = fidelity.compare(trials, epochs, MEASURE, epochs_searched=True)
    assert (found.epochs, found.n, found.trials) == (None, 8, 9)
    assert found.values[7] == 61.0
    trials, epochs = epochs_of([9] * 7 + [2])
    assert fidelity.compare(trials, epochs, MEASURE, epochs_searched=True).epochs == 9


def test_a_value_that_is_no_number_is_not_compared() -> None:
    """A trial that diverged counts for as long as it had a loss."""
    trials, epochs = epochs_of([2, 2, 2, 2])
    epochs.loc[epochs["number"] == 0, "val_loss"] = math.nan
    assert fidelity.compare(trials, epochs, MEASURE, epochs_searched=False).values.index.tolist() == [1, 2, 3]


def test_far_outliers_are_drawn_in_on_the_bad_side_alone() -> None:
    """A loss three quartile distances off the quartile counts as no worse than that; a very good one stays."""
    values = pd.Series([-100.0, 1, 2, 3, 4, 5, 100])
    compared = Compared(values, 1, 7)
    assert compared.tamed("minimize").tolist() == [-100, 1, 2, 3, 4, 5, 4.5 + 3 * 3]
    assert compared.tamed("maximize").tolist() == [1.5 - 3 * 3, 1, 2, 3, 4, 5, 100]


def background(text: str = TEXT) -> tuple[fanova.Background, dict[str, int], list[str]]:
    found = settings.searched(Space.parse(text))
    drawn = fanova.Background.draw(Space.parse(text), found, generator=random.Random(0))
    return drawn, {one.name: place for place, one in enumerate(found)}, [one.name for one in found]


def test_an_additive_function_is_taken_apart_exactly() -> None:
    """Of 6 for one of three models plus the larger of two batch sizes, the model explains 36 x 2/9 and the size a quarter."""
    drawn, place, _ = background()
    columns = drawn.features  # model's three columns, learning rate or dilation, ... in the order of the space
    found = settings.searched(Space.parse(TEXT))
    start = settings.features(settings.codes({}, found), found)[1]
    predicted = 6 * columns[:, start[place["model"]].start] + columns[:, start[place["batch_size"]].start]
    alone = {name: drawn.effects[at].variance(predicted) for name, at in place.items()}
    assert alone["model"] == pytest.approx(36 * 2 / 9)
    assert alone["batch_size"] == pytest.approx(0.25)
    assert alone["learning_rate"] == pytest.approx(0, abs=1e-12)
    assert alone["dilation"] == pytest.approx(0, abs=1e-12)


def test_a_condition_is_its_parents_merit() -> None:
    """What depends on whether the dilation exists is the model's; the dilation has what its values change where it exists."""
    drawn, place, _ = background()
    found = settings.searched(Space.parse(TEXT))
    column = settings.features(settings.codes({}, found), found)[1][place["dilation"]].start
    exists = drawn.features[:, column] >= 2
    effect = drawn.effects[place["dilation"]]
    assert effect.variance(5.0 * exists) == pytest.approx(0)
    assert effect.active == pytest.approx(1 / 3, abs=0.05)
    assert drawn.effects[place["model"]].variance(5.0 * exists) == pytest.approx(25 * 2 / 9)
    assert effect.variance(np.where(exists, drawn.features[:, column], 0.0)) == pytest.approx(effect.active * 2 / 3)


def test_the_density_of_choices_is_their_share_with_one_more_observation() -> None:
    """Of three of one choice and one of another, with one spread over both, the shares are 0.7 and 0.3."""
    size = {one.name: one for one in settings.searched(Space.parse(TEXT))}["batch_size"]
    codes = np.array([0.0, 0, 0, 1])
    assert ped_anova.density(codes, size).tolist() == pytest.approx([0.7, 0.3])
    top = np.array([False, False, True, True])
    assert ped_anova.divergence(codes, top, size) == pytest.approx(
        0.7 * (0.5 / 0.7 - 1) ** 2 + 0.3 * (0.5 / 0.3 - 1) ** 2
    )
    rate = {one.name: one for one in settings.searched(Space.parse(TEXT))}["learning_rate"]
    assert ped_anova.density(np.array([1e-4, 1e-3]), rate).sum() == pytest.approx(1)


def test_the_best_are_a_tenth_or_ten_or_a_quarter() -> None:
    """Few trials still have some best ones to look at."""
    assert [ped_anova.top_count(n) for n in (8, 16, 40, 60, 200)] == [2, 4, 10, 10, 20]


def planted(point: Any) -> float:
    """The model matters most, the learning rate less, and nothing else at all."""
    return 2.0 * (point["model"] == "cnn") + 1.5 * abs(math.log10(point["learning_rate"] / 1e-3))


def test_planted_effects_are_found() -> None:
    """The two settings that matter are told from chance, in their order, and no other one."""
    found = judge(TEXT, 120, planted, resamples=20)
    assert found.order[:2] == ["model", "learning_rate"]
    assert mattering(found, "fanova") == {"model", "learning_rate"}
    assert mattering(found, "ped_anova") <= {"model", "learning_rate"}
    share, low, high = found.together
    assert low <= share <= high < 0.2


def test_no_effect_is_not_called_one() -> None:
    """Of 30 studies in which nothing matters, at most two claim that something does, by either method."""
    claims = {"fanova": 0, "ped_anova": 0}
    for seed in range(30):
        found = judge(SMALL, 12 + seed % 20, lambda _: 0.0, seed=seed, noise=1.0, resamples=10)
        for method in claims:
            claims[method] += bool(mattering(found, method))
    assert max(claims.values()) <= 2


def test_a_single_setting_is_held_against_chance_too() -> None:
    """Alone it explains all that the forest knows, but noise does not make it matter."""
    text = SMALL[: SMALL.index("[search.learning_rate]")]
    found = judge(text, 30, lambda _: 0.0, noise=1.0, resamples=10)
    assert found.of("fanova")["share"].tolist() == pytest.approx([1.0], abs=0.01)
    assert not mattering(found, "fanova")
    assert mattering(judge(text, 30, lambda point: point["batch_size"] / 10, resamples=10), "fanova") == {"batch_size"}


def test_of_few_trials_nothing_is_told() -> None:
    """Seven trials are too few, and so are any number that are all the same."""
    assert judge(TEXT, 7, planted).used == 0
    same = judge(TEXT, 20, lambda _: 1.0, noise=0)
    assert same.used == 0
    assert same.table.empty
    assert same.order == []


def test_the_same_trials_get_the_same_importance() -> None:
    """Nothing depends on the clock or on what was drawn before."""
    first, second = (judge(SMALL, 20, lambda point: point["batch_size"], resamples=5, shuffles=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.table, second.table)
    assert first.together == second.together


def test_of_many_trials_a_part_is_looked_at() -> None:
    """However many trials there are, the forests see no more than so many."""
    found = judge(SMALL, 2000, lambda point: point["batch_size"], resamples=2, shuffles=2)
    assert found.used == MOST_TRIALS
    assert found.compared.n == 2000


def in_optuna(
    space: Space, n: int, value: Callable[[Any], float]
) -> tuple[optuna.Study, dict[int, Any], dict[int, float]]:
    """The same random trials of the planted function as a study of Optuna."""
    distributions = {
        "model": CategoricalDistribution(["cnn", "unet", "dilated_unet"]),
        "batch_size": CategoricalDistribution([50, 5]),
        "learning_rate": FloatDistribution(1e-4, 1e-2, log=True),
        "dilation": IntDistribution(2, 4),
    }
    generator, told = random.Random(1), optuna.create_study()
    points = {number: space.sample(generator) for number in range(n)}
    values = {number: value(point) + generator.gauss(0, 0.2) for number, point in points.items()}
    for number, point in points.items():
        known = {name: distributions[name] for name in point}
        told.add_trial(optuna.create_trial(params=point, distributions=known, value=values[number]))
    return told, points, values


@pytest.mark.filterwarnings("ignore")
def test_fanova_agrees_with_optunas() -> None:
    """Another implementation ranks the settings of a planted function alike and finds about the same shares."""
    space = Space.parse(TEXT[: TEXT.index("[search.dilation]")] + TEXT[TEXT.index("[search.batch_size]") :])
    told, points, values = in_optuna(space, 200, planted)
    found = settings.searched(space)
    ours = importance(
        settings.codes(points, found),
        Compared(pd.Series(values), 3, 200),
        space,
        found,
        goal="minimize",
        resamples=10,
        shuffles=2,
    )
    theirs = FanovaImportanceEvaluator(seed=0, n_trees=32).evaluate(told)
    mine = dict(zip(ours.of("fanova")["name"], ours.of("fanova")["share"], strict=True))
    assert list(mine)[:2] == list(theirs)[:2] == ["model", "learning_rate"]
    assert [mine[name] for name in theirs] == pytest.approx(list(theirs.values()), abs=0.06)


@pytest.mark.filterwarnings("ignore")
def test_ped_anova_agrees_with_optunas() -> None:
    """Another implementation has the same order, and the same divergence where a setting has a range.

    Optuna spreads choices more, by a weight that does not shrink with n, so that theirs are smaller.
    """
    space = Space.parse(TEXT)
    told, points, values = in_optuna(space, 200, planted)
    found = {one.name: one for one in settings.searched(space)}
    table, worst = settings.codes(points, found.values()), sorted(values.values())[ped_anova.top_count(200) - 1]
    top = np.array([value <= worst for value in values.values()])
    mine = {name: ped_anova.divergence(table[name].to_numpy(), top, one) for name, one in found.items()}
    theirs = PedAnovaImportanceEvaluator(target_quantile=0.1).evaluate(told)
    assert sorted(mine, key=mine.__getitem__, reverse=True)[:2] == list(theirs)[:2]
    part = 0.1**2
    assert mine["learning_rate"] == pytest.approx(theirs["learning_rate"] / part, rel=0.01)
    assert all(mine[name] >= theirs[name] / part for name in ("model", "batch_size"))
