"""The verdict of a confirmation: its rule case by case, and how often it is right where the truth is known."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from study.analysis.confirmation import RUN_DTYPES, Verdict, judge, runs
from study.candidates import Candidate, Confirmation
from tests.study.confirming import fill, make_confirmation, make_search

SEED_EFFECTS = (0.0, 0.1, -0.1, 0.05, -0.05)
NOISE = (0.01, -0.01, 0.0, 0.02, -0.02)


def candidates(count: int, seen: float) -> list[Candidate]:
    """The winner, which the search saw with this value, and others behind it; the default last."""
    best = [Candidate(params={}, trial=n, value=seen + n, epoch=1) for n in range(count - 1)]
    return [*best, Candidate(params={}, is_default=True)]


def frame(
    names: list[str], value: np.ndarray, test: np.ndarray, **changes: dict[tuple[str, int], object]
) -> pd.DataFrame:
    """The frame of runs of so many candidates (rows) with so many seeds (columns); cells of a column may be changed."""
    rows = [
        {
            "run": seed * len(names) + place,
            "candidate": name,
            "seed": seed,
            "state": "completed",
            "reason": None,
            "value": value[place, seed],
            "best_epoch": 1,
            "epochs_trained": 1,
            "epochs": 1,
            "test_loss": test[place, seed],
            "test_accuracy": 0.5,
            "test_mse": 0.01,
        }
        for place, name in enumerate(names)
        for seed in range(value.shape[1])
    ]
    for column, cells in changes.items():
        for (name, seed), cell in cells.items():
            next(row for row in rows if (row["candidate"], row["seed"]) == (name, seed))[column] = cell
    return pd.DataFrame({name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in RUN_DTYPES.items()})


def verdict(
    means: list[float], *, seen: float, seeds: int = 5, goal: str = "minimize", **changes: dict[tuple[str, int], object]
) -> Verdict:
    """Judge candidates whose runs lie around these means, alike on validation and test images."""
    chosen = candidates(len(means), seen)
    noise = np.array([np.roll(NOISE, place) for place in range(len(means))])
    scores = (np.array(means)[:, None] + np.array(SEED_EFFECTS) + noise)[:, :seeds]
    told = frame([candidate.name for candidate in chosen], scores, scores, **changes)
    return judge(told, chosen, metric="val_loss", goal=goal)


def test_a_winner_that_beats_all_is_confirmed() -> None:
    """It is better than every other candidate, pair by pair, though runs of other seeds overlap."""
    told = verdict([1.0, 1.1, 1.15], seen=1.0)

    assert (told.outcome, told.ground) == ("confirmed", "")
    assert told.named(worse=True) == ["trial 1", "default"]
    assert told.rows["trial 1"].test["test_loss"].low < told.rows["trial 0"].test["test_loss"].high


def test_the_numbers_are_those_of_pairs() -> None:
    """The difference of two candidates is the mean over seeds of the other less the winner, worked out by hand."""
    found = verdict([1.0, 1.1], seen=1.0).rivals["default"]
    pairs = [0.1 + b - a for a, b in zip(NOISE, np.roll(NOISE, 1), strict=True)]
    deviation = math.sqrt(sum((pair - 0.1) ** 2 for pair in pairs) / 4)

    assert found.difference.n == 5
    assert found.difference.mean == pytest.approx(0.1)
    assert found.difference.high == pytest.approx(0.1 + 2.776445 * deviation / math.sqrt(5))
    assert found.p_corrected == pytest.approx(2 * found.p)


def test_a_winner_like_another_is_tied() -> None:
    """One that it cannot be told apart from is enough, however many it beats."""
    told = verdict([1.0, 1.0, 2.0], seen=1.0)

    assert (told.outcome, told.ground) == ("tied", "")
    assert told.named() == ["trial 1"]
    assert told.named(worse=True) == ["default"]


def test_a_winner_that_another_beats_is_cursed() -> None:
    """The search chose a configuration that is not the best."""
    told = verdict([1.0, 0.8, 1.2], seen=1.0)

    assert (told.outcome, told.ground) == ("winner's curse", "beaten")
    assert told.named(better=True) == ["trial 1"]


def test_a_value_that_does_not_come_again_is_cursed() -> None:
    """Where it is tied, and the search saw what fresh seeds never give, the win was luck."""
    told = verdict([1.0, 1.0, 2.0], seen=0.2)

    assert (told.outcome, told.ground) == ("winner's curse", "lucky")
    assert told.search is not None
    assert told.search.difference.mean == pytest.approx(-0.8)


def test_a_true_winner_may_have_been_seen_too_good() -> None:
    """Better than every other, it is confirmed, whatever the search saw; that its value was luck is told beside."""
    told = verdict([1.0, 2.0, 2.0], seen=0.2)

    assert told.outcome == "confirmed"
    assert told.search is not None
    assert told.search.is_better


def test_a_value_seen_too_bad_is_no_curse() -> None:
    """Luck flatters; a value that fresh seeds surpass is none."""
    assert verdict([1.0, 1.0, 1.0], seen=2.0).outcome == "tied"


def test_more_may_be_better() -> None:
    """Where the objective is to be maximized, the same numbers turn the verdict about."""
    assert verdict([1.0, 0.8, 0.7], seen=1.0, goal="maximize").outcome == "confirmed"
    assert verdict([1.0, 1.2, 0.7], seen=1.0, goal="maximize").ground == "beaten"
    assert verdict([1.0, 1.0, 0.7], seen=2.0, goal="maximize").ground == "lucky"


@pytest.mark.parametrize("seeds", [1, 2])
def test_of_few_seeds_nothing_is_told(seeds: int) -> None:
    """One or two seeds decide nothing, not even where all numbers point one way."""
    told = verdict([1.0, 9.0, 9.0], seen=1.0, seeds=seeds)

    assert (told.outcome, told.ground) == ("undecided", "few seeds")
    assert not told.rivals


def test_a_winner_that_diverges_is_cursed() -> None:
    """A configuration that fresh seeds cannot train is not confirmed by those that can."""
    failed = {("trial 0", 1): "failed"}
    told = verdict([1.0, 2.0, 2.0], seen=1.0, state=failed, reason={("trial 0", 1): "diverged"})

    assert (told.outcome, told.ground) == ("winner's curse", "diverged")
    assert told.winner.failed == {"diverged": 1}


def test_a_run_that_failed_takes_its_pair_along() -> None:
    """A rival is compared over the seeds that it completed, and not at all below three."""
    lost = {("trial 1", 0): "failed", **{("default", seed): "failed" for seed in range(3)}}
    told = verdict([1.0, 2.0, 2.0], seen=1.0, state=lost, reason=dict.fromkeys(lost, "lost"))

    assert told.rivals["trial 1"].difference.n == 4
    assert told.uncompared == ["default"]
    assert told.outcome == "confirmed"


def test_without_any_pair_nothing_is_told() -> None:
    """Where every rival failed there is nobody to win against."""
    lost = {(name, seed): "failed" for name in ("trial 1", "default") for seed in range(4)}

    assert verdict([1.0, 2.0, 2.0], seen=1.0, state=lost, reason=dict.fromkeys(lost, "error")).ground == "no pairs"


def test_a_score_that_is_no_number_is_in_no_mean() -> None:
    """A test loss that is not finite is left out of its mean and its pair."""
    told = verdict([1.0, 2.0], seen=1.0, test_loss={("default", 4): math.nan})

    assert told.rows["default"].test["test_loss"].n == 4
    assert told.rivals["default"].difference.n == 4


def test_what_has_not_ended_is_not_judged(tmp_path: Path) -> None:
    """The frame has a row for every run that is planned, and while one has not ended the verdict is open."""
    folder = make_confirmation(make_search(tmp_path), top=2, seeds=3)
    told = runs(folder)

    assert told["state"].tolist() == ["planned"] * 9
    found = judge(told, Confirmation.of(folder).candidates, metric="val_loss", goal="minimize")
    assert (found.outcome, found.ground) == ("undecided", "unfinished")


def test_a_run_is_a_row_with_what_the_record_tells(tmp_path: Path) -> None:
    """Scores of validation and test images, the epochs asked and trained, and why a run failed."""
    folder = make_confirmation(make_search(tmp_path), top=1, seeds=3)
    fill(folder, lambda name, seed: (1.0 + seed, 2.0 + seed), skip=lambda run: run.number == 5)
    told = runs(folder)

    assert told["candidate"].tolist() == ["trial 1", "default"] * 3
    assert told["value"].tolist()[:4] == [1.0, 1.0, 2.0, 2.0]
    assert told["test_loss"].tolist()[:4] == [2.0, 2.0, 3.0, 3.0]
    assert told["epochs"].tolist() == [3, 4] * 3
    assert told["state"].tolist()[-2:] == ["completed", "failed"]
    assert told["reason"].tolist()[-1] == "diverged"
    assert dict(told.dtypes.astype(str)) == dict(RUN_DTYPES)


def simulate(draws: int, *, means: list[float], luck: float = 0.0) -> Counter[str]:
    """Outcomes of confirmations with five seeds whose runs, and the search's value, vary with a deviation of one.

    Half of the variation is the seed's, which candidates share. `luck` is added to what the search saw.
    """
    generator = np.random.default_rng(7)
    chosen = candidates(len(means), 0.0)
    found: Counter[str] = Counter()
    for _ in range(draws):
        shared, own = generator.normal(size=(2, 1, 5)), generator.normal(size=(2, len(means), 5))
        value, test = np.array(means)[:, None] + math.sqrt(0.5) * (shared + own)
        seen = Candidate(params={}, trial=0, value=means[0] + luck + generator.normal(), epoch=1)
        told = frame([candidate.name for candidate in chosen], value, test)
        found[judge(told, [seen, *chosen[1:]], metric="val_loss", goal="minimize").outcome] += 1
    return found


def test_no_effect_is_not_called_one() -> None:
    """Where all candidates are alike and the search was honest, at least 95 of 100 verdicts are a tie."""
    assert simulate(200, means=[0.0, 0.0, 0.0, 0.0])["tied"] >= 190


def test_a_planted_winner_is_found() -> None:
    """A winner that is better by six deviations is confirmed in at least 95 of 100 draws."""
    assert simulate(100, means=[0.0, 6.0, 6.0, 7.0])["confirmed"] >= 95


def test_a_planted_rival_is_found() -> None:
    """A candidate that is better than the search's winner by six deviations is found in at least 95 of 100 draws."""
    assert simulate(100, means=[0.0, -6.0, 0.0, 0.0])["winner's curse"] >= 95


def test_planted_luck_is_recognized() -> None:
    """A search's value ten deviations better than its configuration gives is called luck in at least 95 of 100 draws."""
    assert simulate(100, means=[0.0, 0.0, 0.0, 0.0], luck=-10.0)["winner's curse"] >= 95
