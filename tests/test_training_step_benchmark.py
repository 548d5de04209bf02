"""The benchmark of the training step, at its smallest; nothing is said of how fast it is."""

from __future__ import annotations

import json

import pytest

from benchmarks import training_step


def test_the_contenders_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is JSON; each contender had as many rounds, and all of them had the same losses."""
    small = {"num_filters": 2, "train_images": 40, "batch_size": 20}
    monkeypatch.setattr(training_step, "_CONFIG", training_step._CONFIG.replace(**small))

    told = json.loads(json.dumps(training_step.measure(rounds=2), allow_nan=False))

    faster, apart = told["goals"]
    assert (faster["n"], apart["n"]) == (2, 3)
    assert apart["max"] < 1e-3
    assert {name: len(losses) for name, losses in told["losses"].items()} == {
        "assignment": 3,
        "reference": 3,
        "fast": 3,
    }
