"""A study survives whatever happens to its driver and its workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.reproduce import reproduce
from tests.study.chaos import Chaos, audit

WORKERS = 2


@pytest.mark.parametrize("faults", [4, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(3600)
def test_a_study_survives_chaos(tmp_path: Path, ray_dir: Path, faults: int) -> None:
    """Killed, interrupted, failed and out of room in random order, a study ends with exactly the trials asked for, each
    ended once, no epoch lost, and its most often interrupted trial has the numbers of an uninterrupted one."""
    chaos = Chaos(tmp_path, ray_dir, seed=faults)

    chaos.run(trials=8, faults=faults)

    assert audit(chaos, workers=WORKERS)
    assert sum(chaos.committed.values()) == faults
    trials = [trial for trial in chaos.folder.read().trials.values() if trial.state in ("completed", "pruned")]
    tried = max(trials, key=lambda trial: trial.attempt)
    assert reproduce(chaos.folder, tried.number, tolerance=0.02).outcome == "identical"
