"""The benchmarks that are for a GPU, at their smallest and on any processor; nothing is said of how fast it is."""

from __future__ import annotations

import json

import pytest
import torch

from benchmarks import fused_trials, gpu_training

SMALL = {"dataset": "scenes", "num_filters": 2, "train_images": 100, "epochs": 1}


def test_both_ways_are_measured_and_agree() -> None:
    """The result is JSON; it tells both ways round by round, and that they trained the same; a goal without a GPU is open."""
    sizes = {"members": 2, "num_filters": 2, "train_images": 100, "epochs": 1}
    found = fused_trials.measure(rounds=2, sizes=sizes)

    told = json.loads(json.dumps(found, allow_nan=False))
    ratio, *rates, apart = told["figures"]
    assert [figure["n"] for figure in (ratio, *rates)] == [2, 2, 2]
    assert apart["median"] < 0.01
    assert told["sizes"] == {"rounds": 2, **sizes}
    assert told["goals"][0]["n"] == (2 if torch.cuda.is_available() else 0)
    assert ("wins" in told["verdict"]) == (ratio["median"] > 1)


def test_every_seed_is_trained_in_both_precisions() -> None:
    """Times and losses of each precision are kept, and how far each seed's losses are apart."""
    told = json.loads(json.dumps(gpu_training.measure(rounds=3, device="cpu", settings=SMALL), allow_nan=False))

    assert [goal["n"] for goal in told["goals"]] == [3, 3]
    assert [figure["n"] for figure in told["figures"]] == [3, 3, 3, 3]
    exact, rounded = (figure for figure in told["figures"] if "loss" in figure["what"])
    assert rounded["median"] == pytest.approx(exact["median"], rel=0.05)
    assert rounded["median"] != exact["median"]
    assert told["sizes"]["epochs"] == 1
    assert "drawn scenes" in told["goals"][0]["what"]


def test_a_loss_that_was_added_is_told_in_spreads_of_the_seeds() -> None:
    """Above the other is positive, whichever seed; one seed has no spread."""
    assert gpu_training.in_spreads([1.5, 2.0, 2.0], [1.0, 2.0, 3.0]) == [0.5, 0.0, -1.0]
    assert gpu_training.in_spreads([1.5], [1.0]) == []


def test_without_a_gpu_goals_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trained on a processor in a GPU's place."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(gpu_training, "train", None)

    found = gpu_training.measure()

    assert [(goal["n"], goal["median"]) for goal in found["goals"]] == [(0, None), (0, None)]
    assert found["figures"] == []
