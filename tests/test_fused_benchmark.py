"""The benchmark of fused trials, at its smallest; nothing is said of how fast it is."""

from __future__ import annotations

import json

import torch

from benchmarks import fused_trials


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
