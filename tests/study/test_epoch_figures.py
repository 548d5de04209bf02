"""Epochs: budgets compared on planted truths and worked-out numbers, best epochs, and the gap between the losses."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from study.analysis import best_epoch_figure, budget_figure, budgets, intervals, overfitting, style
from study.analysis.loaded import Loaded
from study.analysis.plot import Plot
from study.store import StudyFolder
from tests.study.odd_studies import odd_studies
from tests.study.test_analysis_frames import SPACE, complete, fill, make_folder, train
from tests.study.test_analysis_summaries import LOSS, epochs_frame, trials_frame

PLOTS = (budget_figure.PLOT, best_epoch_figure.PLOT)


def studied(folder: StudyFolder, curves: list[list[float]], **params: object) -> Loaded:
    """A study whose trials completed with these losses, read."""
    with folder.write() as writer:
        writer.append("launched", trials=len(curves), host="here", pid=1, workers=1)
        for number, losses in enumerate(curves):
            train(writer, number, list(losses), **params)
            complete(writer, number, min(losses), losses.index(min(losses)) + 1)
    return Loaded.read(folder)


def two_budgets(short: list[float], long: list[float]) -> list[budgets.Budget]:
    """Completed trials of 2 and of 9 epochs with these values."""
    rows = [("completed", value, 2, "cnn") for value in short] + [("completed", value, 9, "cnn") for value in long]
    return budgets.groups(trials_frame(rows), goal="minimize")


def test_a_difference_of_groups_is_welchs() -> None:
    """Of 1, 2, 3 and 4, 6, 8: the error is the root of 1/3 + 4/3, and the degrees of freedom 25 / 8.5; scipy agrees."""
    seen = intervals.welch([4.0, 6.0, 8.0], [1.0, 2.0, 3.0])
    df, error = (1 / 3 + 4 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2), math.sqrt(5 / 3)
    assert df == pytest.approx(25 / 8.5)
    assert (seen.mean, seen.n, seen.of_pairs) == (4.0, (3, 3), False)
    assert seen.p == pytest.approx(2 * stats.t.sf(4 / error, df))
    theirs = stats.ttest_ind([4.0, 6.0, 8.0], [1.0, 2.0, 3.0], equal_var=False)
    assert seen.p == pytest.approx(theirs.pvalue)
    assert (seen.low, seen.high) == pytest.approx(theirs.confidence_interval())
    assert seen.is_clear == (seen.low > 0)


def test_a_difference_of_pairs_is_a_t_test_of_differences() -> None:
    """3 - 1, 4 - 2 and 8 - 3 differ by 2, 2 and 5: 3 on average, with deviation the root of 3, so t is 3."""
    seen = intervals.paired([3.0, 4.0, 8.0], [1.0, 2.0, 3.0])
    assert (seen.mean, seen.n, seen.of_pairs) == (3.0, (3,), True)
    assert seen.p == pytest.approx(1 - 3 / math.sqrt(11))


def test_groups_that_cannot_be_compared_or_do_not_vary() -> None:
    """One value has no spread, which leaves nothing to tell; values that do not vary leave no doubt."""
    assert math.isnan(intervals.welch([1.0], [2.0, 3.0]).p)
    same = intervals.welch([1.0, 1.0], [2.0, 2.0])
    assert (same.mean, same.low, same.high, same.p) == (-1.0, -1.0, -1.0, 0.0)


def test_configurations_that_match_are_compared_by_pairs() -> None:
    """Three rates, each with both budgets: what a rate does cancels, though it outweighs the epochs."""
    short, long = two_budgets([1.0, 2.0, 3.0], [0.9, 1.89, 2.91])
    for group in (short, long):
        group.trials["learning_rate"] = [0.1, 0.2, 0.3]
    seen = budgets.compare(short, long)
    assert seen is not None
    assert seen.n == (3,)
    assert seen.mean == pytest.approx(0.1)
    assert seen.is_clear


def test_seeds_that_match_are_pairs_and_others_are_averaged() -> None:
    """Of one configuration, common seeds make pairs; of several with seeds of their own, means over seeds do."""
    short, long = two_budgets([1.0, 2.0, 3.0], [0.9, 1.89, 2.91])
    short.trials["seed"] = long.trials["seed"] = [5, 6, 7]
    seeds = budgets.compare(short, long)
    assert seeds is not None
    assert seeds.n == (3,)
    short, long = two_budgets([1.0, 1.2, 2.0, 3.0], [0.9, 1.1, 1.89, 2.91])
    for group in (short, long):
        group.trials["learning_rate"] = [0.1, 0.1, 0.2, 0.3]
    means = budgets.compare(short, long)
    assert means is not None
    assert means.n == (3,)
    assert means.mean == pytest.approx((0.1 + 0.11 + 0.09) / 3)


def test_configurations_that_seldom_match_are_compared_by_group() -> None:
    """Three pairs among ten trials a side leave too much out."""
    short, long = two_budgets(list(range(10)), list(range(10)))
    short.trials["learning_rate"], long.trials["learning_rate"] = range(10), range(7, 17)
    seen = budgets.compare(short, long)
    assert seen is not None
    assert seen.n == (10, 10)
    assert budgets.differ_otherwise(short, long)


def test_a_band_is_a_mean_with_its_interval() -> None:
    """Of 1, 2 and 3 the mean is 2, and half the interval 4.303 / root 3; of two trials there is no interval."""
    table = budgets.bands(epochs_frame({0: [1.0, 5.0], 1: [2.0, 7.0], 2: [3.0]}), [0, 1, 2], metric="val_loss", last=2)
    assert table["n"].tolist() == [3, 2]
    assert table["mean"].tolist() == [2.0, 6.0]
    assert table["high"].iloc[0] == pytest.approx(2 + 4.302653 / math.sqrt(3))
    assert math.isnan(table["high"].iloc[1])


def answers(draws: int, gain: float) -> list[str]:
    """What the figure answers of studies whose longer budgets of three gain so much of a spread of 0.1, seeded."""
    generator = np.random.default_rng(7)
    told = []
    for _ in range(draws):
        rows = [
            ("completed", 1.5 - gain * place + generator.normal(0, 0.1), epochs, "cnn")
            for place, epochs in enumerate((4, 8, 16))
            for _ in range(8)
        ]
        found = budgets.groups(trials_frame(rows), goal="minimize")
        told.append(budget_figure.between(found, LOSS))
    return told


def test_a_budget_that_changes_nothing_is_called_no_gain() -> None:
    """Of 100 studies without an effect, about 5 in 100 claim one, though two comparisons are told."""
    wrong = sum("worse" in text or "better" in text for text in answers(100, 0.0))
    assert wrong <= 10


def test_a_planted_gain_is_found_with_its_size() -> None:
    """Where each longer budget gains three spreads, every study says so, and 22 of the 25 intervals or more hold the truth."""
    told = answers(25, 0.3)
    assert all(text.count("worse than 16") == 2 for text in told)
    assert all(text.startswith("4 epochs are 0.") and "n = 8 and 8" in text for text in told)
    ends = [text.split("interval ")[1].split(",")[0].split(" to ") for text in told]
    assert sum(float(low) <= 0.6 <= float(high) for low, high in ends) >= 22


def test_one_budget_is_judged_by_its_last_quarter(tmp_path: Path) -> None:
    """Where all trained 8 epochs, losses that still fall say that more may help, and level ones claim nothing."""
    falling = [[2.0 - 0.1 * epoch + 0.01 * (number + epoch) ** 2 % 0.03 for epoch in range(8)] for number in range(4)]
    seen = studied(make_folder(tmp_path, name="falling"), falling)
    text = budget_figure.PLOT.tell(seen).answer
    assert text.startswith("All n = 4 completed trials trained for 8 epochs, and still gained 0.2")
    generator = np.random.default_rng(0)
    level = [generator.normal(1.0, 0.1, 8).tolist() for _ in range(4)]
    seen = studied(make_folder(tmp_path, name="level"), level)
    assert "after epoch 6 there is no clear change" in budget_figure.PLOT.tell(seen).answer


def test_best_epochs_are_counted_where_they_were(tmp_path: Path) -> None:
    """Equal lengths get a bar an epoch; others tenths of the epochs that each trained, the last epoch told apart."""
    equal = trials_frame([("completed", 1.0, 4, "cnn")] * 3).assign(best_epoch=[4, 2, 4])
    table = overfitting.best_epochs(equal)
    assert table["n"].tolist() == [0, 1, 0, 2]
    assert table["n_last"].tolist() == [0, 0, 0, 2]
    mixed = trials_frame([("completed", 1.0, 4, "cnn"), ("completed", 1.0, 10, "cnn"), ("pruned", 1.0, 3, "cnn")])
    table = overfitting.best_epochs(mixed.assign(best_epoch=[4, 5, 1]))
    assert table["n"].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert table["n_last"].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]


def test_the_gap_is_validation_less_training_loss() -> None:
    """Medians and quartiles by model and epoch; three trials whose gap grows by 0.1 are told to widen it."""
    trials = trials_frame([("completed", 1.0, 4, "cnn")] * 3)
    epochs = epochs_frame({number: [1.0] * 4 for number in range(3)})
    growth = epochs["epoch"] * 0.1 / 3 + epochs["number"] * 0.01 * epochs["epoch"] / 4
    epochs = epochs.assign(train_loss=epochs["val_loss"] - growth)
    table = overfitting.gaps(epochs, trials)
    assert table["n"].tolist() == [3] * 4
    assert table["median"].tolist() == pytest.approx([(0.1 / 3 + 0.0025) * epoch for epoch in range(1, 5)])
    seen = overfitting.widening(epochs, trials)
    assert seen is not None
    assert (seen.n, seen.epochs) == (3, (1, 4))
    assert seen.change.mean == pytest.approx(0.1 + 0.0075)
    assert seen.change.is_clear


@pytest.mark.parametrize(("slope", "wrong"), [(0.0, 10), (0.02, 100)])
def test_a_gap_that_does_not_change_is_not_called_over_fitting(slope: float, wrong: int) -> None:
    """Of 100 studies of noise about 5 in 100 claim a change; a planted one is always found."""
    generator = np.random.default_rng(3)
    trials = trials_frame([("completed", 1.0, 8, "cnn")] * 10)
    claimed = 0
    for _ in range(100):
        epochs = epochs_frame({number: [1.0] * 8 for number in range(10)})
        noise = generator.normal(0, 0.03, len(epochs))
        seen = overfitting.widening(epochs.assign(train_loss=1.0 - slope * epochs["epoch"] + noise), trials)
        assert seen is not None
        claimed += seen.change.is_clear
    assert claimed == wrong if slope else claimed <= wrong


def test_a_training_loss_of_another_kind_is_left_out(tmp_path: Path) -> None:
    """Augmented or smoothed trials have no gap, whether the setting is searched or fixed, and the caption says so."""
    folder = make_folder(tmp_path)
    fill(folder)
    seen = Loaded.read(folder)
    kept = overfitting.comparable(seen.trials, seen.space)
    assert kept["number"].tolist() == [0]
    assert "n = 1 trials are left out on the right" in best_epoch_figure.PLOT.tell(seen).reading
    fixed = SPACE.replace("[fixed]", "[fixed]\nlabel_smoothing = 0.1")
    smoothed = studied(make_folder(tmp_path, name="smoothed", space_text=fixed), [[2.0, 1.0]])
    assert overfitting.comparable(smoothed.trials, smoothed.space).empty


def test_survivors_of_pruning_are_named_as_such(tmp_path: Path) -> None:
    """Where trials were pruned, the caption says that larger budgets are flattered."""
    folder = make_folder(tmp_path)
    fill(folder)
    assert "which flatters the larger budgets" in budget_figure.PLOT.tell(Loaded.read(folder)).reading


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_every_study_can_be_drawn(tmp_path: Path, plot: Plot) -> None:
    """Empty, single, failed, pruned and running studies are drawn and told, and asked only where there is an answer."""
    studies = odd_studies(tmp_path)
    with style.styled():
        for name, seen in studies.items():
            assert style.save(plot.draw(seen), tmp_path / f"figure-{name}")
            assert plot.tell(seen).answer.endswith(".")
    assert {name for name, seen in studies.items() if plot.applies(seen)} == {"filled", "attempts"}


def test_an_interval_is_told_with_digits_enough() -> None:
    """Both ends have the same digits, and none becomes zero."""
    assert LOSS.interval(0.0812, 0.2218) == "0.08 to 0.22"
    assert LOSS.interval(-0.0003, 0.0152) == "-0.0003 to 0.0152"
    assert pd.isna(intervals.half_width(1, 0.5))
