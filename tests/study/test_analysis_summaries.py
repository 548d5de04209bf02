import math

import numpy as np
import pandas as pd
import pytest

from study.analysis import findings, ranges, summaries
from study.analysis.measure import Measure

LOSS = Measure(metric="val_loss", goal="minimize", label="loss", name="validation loss", floors={"24": 1.5})
ACCURACY = Measure(metric="val_accuracy", goal="maximize", label="%", name="validation accuracy", floors={"24": 0.5})


def trials_frame(rows: list[tuple[str, float, int, str]]) -> pd.DataFrame:
    """Trials of (state, value, epochs trained, model), numbered and ended in this order."""
    frame = pd.DataFrame(rows, columns=["state", "value", "epochs_trained", "model"])
    return frame.assign(
        number=range(len(rows)),
        ended=pd.date_range("2026-01-01", periods=len(rows), tz="UTC"),
        best_epoch=frame["epochs_trained"],
        parameters=1000,
        palette="24",
        dilation=2,
        val_loss=frame["value"],
        val_accuracy=0.5,
        val_mse=0.01,
        reason=None,
        seed=range(len(rows)),
    )


def epochs_frame(curves: dict[int, list[float]], *, state: str = "completed") -> pd.DataFrame:
    """Epochs of trials by number, their values as validation loss."""
    rows = [(number, epoch, value, state) for number, curve in curves.items() for epoch, value in enumerate(curve, 1)]
    return pd.DataFrame(rows, columns=["number", "epoch", "val_loss", "state"])


MIXED = trials_frame(
    [
        ("pruned", 1.0, 1, "unet"),
        ("completed", 3.0, 2, "cnn"),
        ("failed", math.nan, 1, "cnn"),
        ("completed", 2.0, 2, "cnn"),
        ("completed", 2.5, 4, "unet"),
    ]
)


def test_the_best_so_far_counts_completed_trials_in_order_of_their_end() -> None:
    """A pruned trial never becomes the best, whatever it had reached; before the first completed one there is none."""
    history = summaries.history(MIXED, goal="minimize")
    assert history["order"].tolist() == [1, 2, 3, 4, 5]
    assert math.isnan(history["best"].iloc[0])
    assert history["best"].tolist()[1:] == [3.0, 3.0, 2.0, 2.0]


def test_the_order_is_that_of_ending_not_of_asking() -> None:
    """A trial that was asked first and ended last comes last."""
    late = MIXED.assign(ended=MIXED["ended"].tolist()[::-1])
    assert summaries.history(late, goal="maximize")["number"].tolist() == [4, 3, 2, 1, 0]


@pytest.mark.parametrize(("goal", "best"), [("minimize", [2.0, 1.0, 1.0]), ("maximize", [3.0, 3.0, 4.0])])
def test_the_envelope_is_the_best_that_any_trial_had_reached(goal: str, best: list[float]) -> None:
    """It never gets worse, also where only trials that are worse trained so long."""
    table = summaries.envelope(epochs_frame({0: [2.0, 1.0], 1: [3.0, 2.5, 4.0]}), metric="val_loss", goal=goal)
    assert table["epoch"].tolist() == [1, 2, 3]
    assert table["n"].tolist() == [2, 2, 1]
    assert table["best"].tolist() == best


def test_near_final_is_the_first_epoch_within_the_tolerance() -> None:
    """One per cent of the last value is near enough."""
    table = pd.DataFrame({"epoch": [1, 2, 3], "best": [2.0, 1.005, 1.0]})
    assert summaries.near_final(table) == 2
    assert summaries.near_final(table.iloc[:0]) is None


def test_budgets_are_averaged_over_completed_trials_alone() -> None:
    """Each budget has its n, mean, spread and best; one trial has no spread."""
    groups = summaries.by_budget(MIXED, goal="minimize")
    assert groups[["low", "high", "n"]].to_numpy().tolist() == [[2, 2, 2], [4, 4, 1]]
    assert groups["mean"].tolist() == [2.5, 2.5]
    assert groups["std"].iloc[0] == math.sqrt(0.5)
    assert math.isnan(groups["std"].iloc[1])
    assert groups["best"].tolist() == [2.0, 2.5]


def test_many_budgets_are_put_into_groups_that_hold_every_trial() -> None:
    """Twenty budgets become six groups or fewer, which do not overlap."""
    many = trials_frame([("completed", float(epochs), epochs, "cnn") for epochs in range(1, 21)])
    groups = summaries.by_budget(many, goal="minimize")
    assert len(groups) == summaries.MOST_BUDGETS - 2
    assert groups["n"].sum() == 20
    assert (groups["low"].iloc[1:].to_numpy() > groups["high"].iloc[:-1].to_numpy()).all()


def test_quartiles_by_epoch_are_of_the_best_so_far() -> None:
    """After an epoch that got worse a trial still counts with its best; one that stopped is left out."""
    table = summaries.quartiles_by_epoch(
        epochs_frame({0: [4.0, 2.0], 1: [2.0, 3.0, 1.0]}), metric="val_loss", goal="minimize"
    )
    assert table["n"].tolist() == [2, 2, 1]
    assert table["median"].tolist() == [3.0, 2.0, 1.0]
    assert table["q1"].tolist() == [2.5, 2.0, 1.0]


def test_milestones_end_with_the_last_epoch() -> None:
    """They are 1, 2, 5, 10, ... and the last."""
    assert summaries.milestones(1) == [1]
    assert summaries.milestones(30) == [1, 2, 5, 10, 20, 30]


def test_levels_count_completed_and_pruned_trials_apart() -> None:
    """A pruned trial is counted beside the completed ones and enters no median."""
    table = summaries.by_level(MIXED, "model", goal="minimize")
    assert table["level"].tolist() == ["cnn", "unet"]
    assert table["n"].tolist() == [2, 1]
    assert table["n_pruned"].tolist() == [0, 1]
    assert table["median"].tolist() == [2.5, 2.5]
    assert table["best"].tolist() == [2.0, 2.5]


def test_dilation_is_compared_among_dilated_networks_alone() -> None:
    """Other models, whose dilation means nothing, are no level of it."""
    mixed = trials_frame([("completed", 1.0, 2, "cnn"), ("completed", 2.0, 2, "dilated_unet")]).assign(dilation=[1, 3])
    assert summaries.by_level(mixed, "dilation", goal="minimize")["level"].tolist() == [3]
    assert summaries.varying(mixed, ["model", "dilation"]) == ["model"]


def test_each_model_is_told_with_its_best_completed_trial() -> None:
    """A model of which none completed has a row without scores."""
    table = summaries.by_model(MIXED.iloc[:4], goal="minimize").set_index("model")
    assert table.loc["cnn", ["n", "n_pruned", "n_failed", "number", "value"]].tolist() == [2, 0, 1, 3, 2.0]
    assert table.loc["unet", ["n", "n_pruned"]].tolist() == [0, 1]
    assert pd.isna(table.loc["unet", "number"])


def test_a_ranking_over_different_lengths_of_training_says_so() -> None:
    """The first finding names n, and that the completed trials trained for 2 to 4 epochs."""
    text = findings.best(MIXED, LOSS)
    assert "Trial 3 is the best of n = 3 completed: validation loss 2.000 at epoch 2 of 2" in text
    assert "trained for 2 to 4 epochs, so this ranking mixes lengths" in text


def test_a_study_worse_than_the_grey_table_is_told_as_such() -> None:
    """The floor is compared by the study's own goal."""
    assert findings.against_floor(MIXED, LOSS).startswith(
        "None of the n = 3 completed trials is better than the grey table (1.500)"
    )
    assert findings.against_floor(MIXED, ACCURACY).startswith("3 of n = 3 completed trials are better")


def test_few_trials_are_not_compared() -> None:
    """Two trials against one support no claim about budgets."""
    assert findings.by_length(MIXED, LOSS).endswith("too few trials to compare them.")


def test_budgets_far_apart_are_told_with_their_difference() -> None:
    """Three trials on each side, far apart beside their spread, are a difference."""
    rows = [("completed", value, 2, "cnn") for value in (2.0, 2.1, 1.9)]
    rows += [("completed", value, 9, "cnn") for value in (1.0, 1.1, 0.9)]
    text = findings.by_length(trials_frame(rows), LOSS)
    assert text.startswith(
        "The longest budgets end 1 below the shortest (95 % interval 0.8 to 1.2): 1.000 ± 0.100 at 9 epochs (n = 3) against 2.000"
    )


def test_budgets_within_their_spread_are_no_difference() -> None:
    """Where the interval of their difference holds zero nothing is claimed."""
    rows = [("completed", value, 2, "cnn") for value in (1.0, 2.0, 3.0)]
    rows += [("completed", value, 9, "cnn") for value in (1.1, 1.9, 2.9)]
    assert "no clear difference" in findings.by_length(trials_frame(rows), LOSS)


def lengths(draws: int, gain: float, *, matched: bool) -> list[str]:
    """What is said of seeded studies whose 9 epochs gain so much against 2, of a spread of 0.05 within a rate's effect of 0.5.

    Rates of both budgets are the same where they are `matched`, else drawn for each trial.
    """
    generator = np.random.default_rng(0)
    told = []
    for _ in range(draws):
        rates = generator.uniform(0, 1, (2, 10))
        if matched:
            rates[1] = rates[0]
        values = 1.5 + 0.5 * rates + generator.normal(0, 0.05, (2, 10)) - [[0.0], [gain]]
        rows = [
            ("completed", value, epochs, "cnn") for epochs, row in zip((2, 9), values, strict=True) for value in row
        ]
        told.append(findings.by_length(trials_frame(rows).assign(learning_rate=rates.ravel()), LOSS))
    return told


@pytest.mark.parametrize("matched", [True, False])
def test_budgets_without_an_effect_are_called_different_in_five_of_a_hundred_studies(matched: bool) -> None:
    """By pairs as by groups, a claim where nothing is happens as seldom as the level says."""
    told = lengths(100, 0.0, matched=matched)
    assert sum("no clear difference" not in text for text in told) <= 10
    assert all(("10 pairs of equal settings" in text) is matched for text in told)


def test_a_small_effect_is_found_by_pairs_that_groups_would_drown() -> None:
    """A gain of 0.1 is clear among equal settings, and seldom among settings that differ by five times as much."""
    assert sum("end 0.1" in text or "end 0.0" in text for text in lengths(40, 0.1, matched=True)) >= 38
    assert sum("no clear difference" in text for text in lengths(40, 0.1, matched=False)) >= 20


def test_a_large_effect_is_found_among_settings_that_differ_and_they_are_named() -> None:
    """A gain of 0.6 is found in every study, and the sentence warns that it may not be the epochs' alone."""
    told = lengths(25, 0.6, matched=False)
    assert all("below the shortest (95 % interval" in text for text in told)
    assert all(text.endswith("though the trials differ in other settings too.") for text in told)


@pytest.mark.parametrize("draw", range(5))
def test_no_sentence_ranks_models_or_pruned_trials_of_noise(draw: int) -> None:
    """Where nothing has an effect, the findings count, and tell medians with their n, and call nothing better but for floors."""
    generator = np.random.default_rng(draw)
    rows = [("completed", value, 4, model) for model in ("cnn", "unet") for value in generator.normal(2, 0.1, 8)]
    rows += [("pruned", value, 2, "cnn") for value in generator.normal(3, 0.1, 8)]
    trials = trials_frame(rows)
    told = findings.findings(trials, epochs_frame({0: [2.0, 2.0, 2.0, 2.0], 1: [2.0] * 4}), LOSS)
    assert any(text.startswith("Trial") and "n = 16 completed" in text for text in told)
    assert any("cnn" in text and "(n = 8)" in text and "unet" in text for text in told)
    assert not any("better" in text for text in told if "grey table" not in text)


def test_a_pruned_trial_that_was_ahead_is_told_and_not_ranked() -> None:
    """The reader learns that pruning may have stopped the best one."""
    assert "Pruned trial 0 had reached 1.000 at epoch 1, better than every completed one" in findings.stopped_early(
        MIXED, LOSS
    )


def test_an_axis_leaves_out_large_losses_far_from_the_rest_and_counts_them() -> None:
    """One loss of 500 among losses about 1 does not flatten the others."""
    values = [1.0, 1.1, 1.2, 1.3, 1.4, 500.0]
    span = ranges.readable(values, goal="minimize", floor=None)
    assert span.high < 2
    assert span.cut(values) == 1


def test_an_axis_reaches_a_floor_that_is_near_and_no_other() -> None:
    """A floor far below the data is not shown on the axis."""
    assert ranges.readable([1.0, 2.0], goal="minimize", floor=0.9).floor_shown
    assert not ranges.readable([1.0, 1.1], goal="minimize", floor=0.1).floor_shown


def test_values_that_span_decades_get_a_logarithmic_axis() -> None:
    """From a factor of eight on."""
    assert ranges.readable([0.01, 0.02, 0.05, 0.1, 0.2], goal="minimize", floor=None).log
    assert not ranges.readable([0.1, 0.2], goal="minimize", floor=None).log


def test_an_accuracy_is_left_out_only_beside_enough_completed_trials() -> None:
    """All epochs are shown; among final values, far worse pruned ones may lie off the scale."""
    values = [3.0, 50.0, 52.0, 54.0, 56.0]
    assert ranges.readable(values, goal="maximize", floor=None).cut(values) == 0
    assert ranges.readable(values, goal="maximize", floor=None, core=values[1:]).cut(values) == 1
